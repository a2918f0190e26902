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

// channelSums: db[c] = Σ over rows of dy[r,c]
func (b *Backend) channelSums(db []float32, mode device.Mode, dy []float32, c int) {
	if db == nil {
		return
	}
	sums := rowSums(len(dy)/c, c, c, func(acc []float64, lo, hi int) {
		b.sums(acc, dy[lo*c:hi*c])
	})
	for i, v := range sums {
		put(db, i, float32(v), mode)
	}
}

// The kernels below go over rows of c channels. The assembly takes the channels
// that fill vectors, plain Go the rest; without assembly that is all of them.

// vectors is how many of c channels the assembly takes, in steps of step.
func (b *Backend) vectors(c, step int) int {
	if !b.simd {
		return 0
	}
	return c / step * step
}

// sums: s[i] += x[r,i]
func (b *Backend) sums(s []float64, x []float32) {
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

// moments: d = x[r,i] − shift[i]; s1[i] += d; s2[i] += d²
func (b *Backend) moments(s1, s2 []float64, x, shift []float32) {
	c := len(s1)
	n := b.vectors(c, 4)
	if n > 0 {
		momentsAVX2(&s1[0], &s2[0], &x[0], &shift[0], len(x)/c, n, c)
	}
	for ; n < c && len(x) > 0; x = x[c:] {
		for i := n; i < c; i++ {
			d := float64(x[i]) - float64(shift[i])
			s1[i] += d
			s2[i] += d * d
		}
	}
}

// gradSums: s1[i] += dy[r,i]; s2[i] += dy[r,i]·(x[r,i] − mean[i])
func (b *Backend) gradSums(s1, s2 []float64, dy, x, mean []float32) {
	c := len(s1)
	n := b.vectors(c, 4)
	if n > 0 {
		gradSumsAVX2(&s1[0], &s2[0], &dy[0], &x[0], &mean[0], len(x)/c, n, c)
	}
	for ; n < c && len(x) > 0; x, dy = x[c:], dy[c:] {
		for i := n; i < c; i++ {
			g := float64(dy[i])
			s1[i] += g
			s2[i] += g * (float64(x[i]) - float64(mean[i]))
		}
	}
}

// normApply: y[r,i] = (x[r,i] − mean[i])·scale[i] + beta[i]
func (b *Backend) normApply(y, x, mean, scale, beta []float32) {
	c := len(mean)
	n := b.vectors(c, vector)
	if n > 0 {
		normApplyAVX2(&y[0], &x[0], &mean[0], &scale[0], &beta[0], len(x)/c, n, c)
	}
	for ; n < c && len(x) > 0; x, y = x[c:], y[c:] {
		for i := n; i < c; i++ {
			y[i] = (x[i]-mean[i])*scale[i] + beta[i]
		}
	}
}

// normGrad: d = k[0,i]·dy[r,i] − k[1,i]·(x[r,i] − mean[i]) − k[2,i], stored in dx or added to it.
func (b *Backend) normGrad(dx, dy, x, mean, k []float32, add bool) {
	c := len(mean)
	k0, k1, k2 := k[:c], k[c:2*c], k[2*c:]
	n := b.vectors(c, vector)
	if n > 0 {
		normGradAVX2(&dx[0], &dy[0], &x[0], &mean[0], &k0[0], &k1[0], &k2[0], len(x)/c, n, c, keep(add))
	}
	for ; n < c && len(x) > 0; dx, dy, x = dx[c:], dy[c:], x[c:] {
		for i := n; i < c; i++ {
			d := k0[i]*dy[i] - k1[i]*(x[i]-mean[i]) - k2[i]
			if add {
				d += dx[i]
			}
			dx[i] = d
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
