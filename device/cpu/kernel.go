package cpu

// tile sizes of the two inner kernels: voxels (or weight rows) × channels.
const (
	tileRows = 6
	panel    = 16
	vector   = 8 // lanes of one register
)

// corrArgs describes one call of the correlation kernel: for each voxel v of
// tiles·6 and each lane l of 16
//
//	s = Σ over taps t, j in [0, run) of x[xoff[v] + taps[t] + j] · w[(t·run + j)·16 + l]
//	y[yoff[v] + l] = max(floor, s + (bias[l], or y[yoff[v] + l] if add is set))
//
// Voxels that only fill up the last tile repeat the one before.
// All offsets count elements.
type corrArgs struct {
	x, w, y, bias []float32
	xoff, yoff    []int
	taps          []int
	run           int
	tiles         int
	add           int
	floor         float32
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

// outerArgs describes one call of the outer-product kernel: for each row j of
// tiles·6 and each lane l of 16
//
//	acc[j·16 + l] += Σ over lines i, voxels v in [0, n) of x[joff[j] + lines[i] + v·step] · dy[(i·n + v)·16 + l]
type outerArgs struct {
	x, dy, acc []float32
	joff       []int
	lines      []int
	n, step    int
	tiles      int
}

func (b *engine) corr(a *corrArgs) {
	if b.simd {
		corrAVX2(a)
	} else {
		corrGo(a)
	}
}

func (b *engine) dot(a *dotArgs) {
	if b.simd {
		dotAVX2(a)
	} else {
		dotGo(a)
	}
}

func (b *engine) outer(a *outerArgs) {
	if b.simd {
		outerAVX2(a)
	} else {
		outerGo(a)
	}
}

// corrGo is the plain twin of corrAVX2.
func corrGo(a *corrArgs) {
	for v := range a.tiles * tileRows {
		if v > 0 && a.yoff[v] == a.yoff[v-1] {
			continue // a repeat
		}
		var s [panel]float32
		w := a.w
		for _, t := range a.taps {
			x := a.x[a.xoff[v]+t:][:a.run]
			for _, xv := range x {
				fma16(&s, xv, (*[panel]float32)(w))
				w = w[panel:]
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

// outerGo is the plain twin of outerAVX2.
func outerGo(a *outerArgs) {
	for j, from := range a.joff[:a.tiles*tileRows] {
		var s [panel]float32
		dy := a.dy
		for _, line := range a.lines {
			at := from + line
			for range a.n {
				fma16(&s, a.x[at], (*[panel]float32)(dy))
				dy = dy[panel:]
				at += a.step
			}
		}
		acc := (*[panel]float32)(a.acc[j*panel:])
		for l := range s {
			acc[l] += s[l]
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
