package metrics

import "math"

// envelope is the minimum over n of f[n] + (spacing·(t − pos[n]))² as a function
// of t: the lower envelope of parabolas of equal width. prepare sets positions and
// spacing, build the heights; at then gives the value for ascending t.
type envelope struct {
	pos     []int
	squared float64   // spacing²
	shift   []float64 // [d]: 1 / (2·spacing²·d)
	f       []float64
	vertex  []int32   // the parabolas that are lowest somewhere, from left to right
	from    []float64 // where each starts to be
	n       int       // how many of them
	cur     int       // the one that at looked at last
}

// prepare sets the positions, which must ascend.
func (e *envelope) prepare(pos []int, spacing float64) {
	e.pos, e.squared = pos, spacing*spacing
	reach := pos[len(pos)-1] - pos[0] + 1
	e.shift = grow(e.shift, reach)
	for d := 1; d < reach; d++ {
		e.shift[d] = 1 / (2 * e.squared * float64(d))
	}
	e.vertex = grow(e.vertex, len(pos))
	e.from = grow(e.from, len(pos))
}

// build finds the envelope for heights f ≥ 0.
//
// Parabolas q < r cross at (q+r)/2 + (f[r]−f[q]) / (2·spacing²·(r−q)). Written so,
// the rounding error in the crossing changes a value near it by a few units in the
// last place of f, whatever the distance from the origin.
func (e *envelope) build(f []float64) {
	e.f, e.cur = f, 0
	e.vertex[0], e.from[0] = 0, math.Inf(-1)
	k := 0
	for r := 1; r < len(f); r++ {
		for {
			q := e.vertex[k]
			d := e.pos[r] - e.pos[q]
			x := float64(e.pos[r]+e.pos[q])*0.5 + float64((f[r]-f[q])*e.shift[d])
			if x > e.from[k] {
				k++
				e.vertex[k], e.from[k] = int32(r), x
				break
			}
			k-- // never below 0: from[0] is −∞
		}
	}
	e.n = k + 1
}

// at is the envelope at t, which must not be below the t of the call before.
func (e *envelope) at(t int) float64 {
	for e.cur+1 < e.n && e.from[e.cur+1] < float64(t) {
		e.cur++
	}
	q := e.vertex[e.cur]
	d := float64(t - e.pos[q])
	// The conversion forbids a fused multiply-add: the same bits on every machine.
	return float64(e.squared*(d*d)) + e.f[q]
}

// grow is s with length n; what it holds is lost when it must be made anew.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
