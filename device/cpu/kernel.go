package cpu

import "math"

// Sizes of the inner kernels: rows are voxels, or the positions and channels of weights; a panel is
// 16 channels. A tile has 6 rows and a panel (AVX2) or 8 and three (AVX-512).
const (
	tileRows = 6
	wideRows = 8
	panel    = 16
	vector   = 8 // lanes of one AVX2 register
)

// zeros is a bias or base of nothing for as many channels as a tile has.
var zeros [3 * panel]float32

var negInf = float32(math.Inf(-1))

// padded is how long a table of n rows must be: whole tiles of either kernel.
func padded(n int) int { return ceil(n, 24) * 24 }

// repeatLast fills the entries of a table past the first n with the last of these.
func repeatLast(table []int, n int) {
	for v := n; v < len(table); v++ {
		table[v] = table[v-1]
	}
}

// corrArgs describes one call of the kernel behind all convolutions and their gradients: for each
// row v, panel p and lane l of 16
//
//	s = Σ over taps t, j in [0, run) of x[xoff[v] + taps[t] + j·step] · w[p·wStep + (t·run + j)·16 + l]
//	y[yoff[v] + p·yStep + l] = max(floor, s + (bias[p·16 + l] if there is one, or what y holds if add is set))
//
// The tables of rows are padded; entries that only fill up repeat the last row.
// All offsets count elements.
type corrArgs struct {
	x, w, y, bias []float32
	xoff, yoff    []int
	taps          []int
	run, step     int
	rows          int
	panels        int
	wStep, yStep  int
	add           int
	floor         float32

	tiles int // set by corr
}

// dotArgs describes one call of the dot-product kernel, which serves two
// output channels where 16 would leave most lanes empty: for each voxel v of tiles·6, o in 0, 1
//
//	out[v·2 + o] = Σ over taps t, j in [0, run) of x[xoff[v] + taps[t] + j] · w[o of t, j]
//
// with the weight of t, j, o at ((t·⌈run/8⌉ + j div 8)·2 + o)·8 + j mod 8.
type dotArgs struct {
	x, w, out []float32
	xoff      []int
	taps      []int
	run       int
	tiles     int
}

// corr runs the kernel on as many panels at a time as a tile has.
func (b *engine) corr(a *corrArgs) {
	rows, most := tileRows, 1
	if b.wide {
		rows, most = wideRows, 3
	}
	b.executed.Add(2 * int64(a.rows*len(a.taps)*a.run*a.panels*panel))
	part := *a
	part.tiles = ceil(a.rows, rows)
	for p := 0; p < a.panels; p += part.panels {
		part.panels = even(a.panels-p, most)
		part.w, part.y = a.w[p*a.wStep:], a.y[p*a.yStep:]
		switch {
		case a.bias == nil:
			part.bias = zeros[:]
		case a.add == 0:
			part.bias = a.bias[p*panel:]
		}
		switch {
		case b.wide:
			corrAVX512(&part)
		case b.simd:
			corrAVX2(&part)
		default:
			corrGo(&part)
		}
	}
}

func (b *engine) dot(a *dotArgs) {
	b.executed.Add(2 * int64(a.tiles*tileRows*len(a.taps)*a.run*2))
	switch {
	case b.wide:
		dotAVX512(a)
	case b.simd:
		dotAVX2(a)
	default:
		dotGo(a)
	}
}

// corrGo is the plain twin of corrAVX2.
func corrGo(a *corrArgs) {
	for v := range a.rows {
		var s [panel]float32
		w := a.w
		for _, t := range a.taps {
			at := a.xoff[v] + t
			for range a.run {
				fma16(&s, a.x[at], (*[panel]float32)(w))
				w = w[panel:]
				at += a.step
			}
		}
		y := (*[panel]float32)(a.y[a.yoff[v]:])
		from := y
		if a.add == 0 {
			from = (*[panel]float32)(a.bias)
		}
		for l := range s {
			r := s[l] + from[l]
			if r < a.floor { // false for NaN, which stays
				r = a.floor
			}
			y[l] = r
		}
	}
}

// dotGo is the plain twin of dotAVX2.
func dotGo(a *dotArgs) {
	steps := ceil(a.run, vector)
	for v, from := range a.xoff[:a.tiles*tileRows] {
		var s [2][vector]float32
		for t, tap := range a.taps {
			x := a.x[from+tap:][:a.run]
			w := a.w[t*steps*2*vector:][:steps*2*vector]
			for len(x) > 0 {
				n := min(vector, len(x))
				for i, xv := range x[:n] {
					s[0][i] += xv * w[i]
					s[1][i] += xv * w[vector+i]
				}
				x, w = x[n:], w[2*vector:]
			}
		}
		for o := range s {
			sum := float32(0)
			for _, p := range s[o] {
				sum += p
			}
			a.out[v*2+o] = sum
		}
	}
}

// fma16: s[l] += x·w[l]
func fma16(s *[panel]float32, x float32, w *[panel]float32) {
	for l := range s {
		s[l] += x * w[l]
	}
}

// gather copies len(dst)/n pieces of n floats, stride apart in src, to dst.
func gather(dst, src []float32, n, stride int, simd bool) {
	pieces := len(dst) / n
	if pieces == 0 {
		return
	}
	src = src[:(pieces-1)*stride+n]
	switch {
	case n == stride:
		copy(dst, src)
	case simd && n >= 8:
		gatherAVX2(&dst[0], &src[0], pieces, n, stride)
	default:
		for p := range pieces {
			copy(dst[p*n:][:n], src[p*stride:])
		}
	}
}
