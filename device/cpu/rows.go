package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/par"
)

// rowSums adds up n values in float64 over rows of c elements: f adds rows
// [lo, hi) to acc. The pieces depend on rows and c alone and are added in order.
func rowSums(count, c, n int, f func(acc []float64, lo, hi int)) []float64 {
	size := rowsPerChunk(c)
	part := make([]float64, ceil(count, size)*n)
	par.Chunks(count, size, func(lo, hi int) {
		f(part[lo/size*n:][:n], lo, hi)
	})
	for p := part[n:]; len(p) > 0; p = p[n:] {
		for i, v := range p[:n] {
			part[i] += v
		}
	}
	return part[:n]
}

// The kernels below go over rows of c channels. The assembly takes the channels
// that fill vectors, plain Go the rest; without assembly that is all of them.

// vectors is how many of c channels the assembly takes, in steps of step.
func (b *engine) vectors(c, step int) int {
	if !b.simd {
		return 0
	}
	return c / step * step
}

// sums: s[i] += x[r,i]
func (b *engine) sums(s []float64, x []float32) {
	c := len(s)
	n := b.vectors(c, 4)
	if n > 0 {
		sumsAVX2(&s[0], &x[0], len(x)/c, n, c)
	}
	for ; n < c && len(x) > 0; x = x[c:] {
		for i := n; i < c; i++ {
			s[i] += float64(x[i])
		}
	}
}

// keep is a mask for what a gradient held before.
func keep(add bool) uint32 {
	if add {
		return 1<<32 - 1
	}
	return 0
}

// put stores one element of a gradient.
func put(to []float32, i int, v float32, mode device.Mode) {
	if mode == device.Add {
		v += to[i]
	}
	to[i] = v
}
