package cpu

import (
	"math"

	"voxgrad/device"
)

// BatchNormStats takes the sums about the first row instead of about zero, so that one
// pass is enough without cancellation where the mean is large against the deviation.
func (b *engine) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
	m, is, xd := data(mean), data(invstd), data(x)
	rm, rv := data(runMean), data(runVar)
	batchStats{m, is, rm, rv, eps, momentum}.finish(0, b.channelMoments(xd, xd[:x.C]), xd[:x.C], x.Rows())
}

// channelMoments is Σ (x − shift) of each channel, then Σ (x − shift)².
func (b *engine) channelMoments(x, shift []float32) []float64 {
	c := len(shift)
	return rowSums(len(x)/c, c, 2*c, func(acc []float64, lo, hi int) {
		b.moments(acc[:c], acc[c:], x[lo*c:hi*c], shift)
	})
}

// batchStats is where statistics go; the running ones may be nil.
type batchStats struct {
	mean, invstd, runMean, runVar []float32
	eps, momentum                 float64
}

// finish makes the statistics of channels from first on of their moments about shift over n rows.
func (s batchStats) finish(first int, moments []float64, shift []float32, n int) {
	rows := float64(n)
	for i, about := range shift {
		d := moments[i] / rows
		mu := float64(about) + d
		variance := max(0, moments[len(shift)+i]/rows-d*d)
		at := first + i
		s.mean[at] = float32(mu)
		s.invstd[at] = float32(1 / math.Sqrt(variance+s.eps))
		if s.runMean == nil {
			continue
		}
		unbiased := variance
		if n > 1 {
			unbiased *= rows / (rows - 1)
		}
		s.runMean[at] = float32((1-s.momentum)*float64(s.runMean[at]) + s.momentum*mu)
		s.runVar[at] = float32((1-s.momentum)*float64(s.runVar[at]) + s.momentum*unbiased)
	}
}

// BatchNormInvStd works in float64.
func (b *engine) BatchNormInvStd(invstd, variance device.Tensor, eps float64) {
	is, v := data(invstd), data(variance)
	for c := range is {
		is[c] = float32(1 / math.Sqrt(float64(v[c])+eps))
	}
}

// BatchNormApply multiplies invstd and gamma first.
func (b *engine) BatchNormApply(y, x, gamma, beta, mean, invstd device.Tensor) {
	yd, xd := data(y), data(x)
	g, be, m, is := data(gamma), data(beta), data(mean), data(invstd)
	c := x.C
	scale := make([]float32, c)
	for i := range scale {
		scale[i] = float32(float64(is[i]) * float64(g[i]))
	}
	rows(len(xd)/c, c, func(lo, hi int) {
		b.normApply(yd[lo*c:hi*c], xd[lo*c:hi*c], m, scale, be)
	})
}

// BatchNormGrad takes both sums in one pass and applies them in another, with
//
//	dx = k0·dy − k1·(x − mean) − k2,   k0 = gamma·invstd,
//	k1 = k0·invstd·dgamma/M,   k2 = k0·dbeta/M
func (b *engine) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, fixed bool) {
	dyd, xd := data(dy), data(x)
	g, m, is := data(gamma), data(mean), data(invstd)
	dxd, dg, db := into(dx), into(dgamma), into(dbeta)

	c := x.C
	var sums []float64 // Σ dy, then Σ dy·(x − mean)
	if !fixed || dg != nil || db != nil {
		sums = rowSums(len(xd)/c, c, 2*c, func(acc []float64, lo, hi int) {
			b.gradSums(acc[:c], acc[c:], dyd[lo*c:hi*c], xd[lo*c:hi*c], m)
		})
	}
	if dxd != nil {
		n := float64(x.Rows())
		k := make([]float32, 3*c)
		for i := range c {
			k0 := float64(g[i]) * float64(is[i])
			k[i] = float32(k0)
			if !fixed {
				k[c+i] = float32(k0 * float64(is[i]) * float64(is[i]) * sums[c+i] / n)
				k[2*c+i] = float32(k0 * sums[i] / n)
			}
		}
		rows(len(xd)/c, c, func(lo, hi int) {
			b.normGrad(dxd[lo*c:hi*c], dyd[lo*c:hi*c], xd[lo*c:hi*c], m, k, dx.Mode == device.Add)
		})
	}
	for i := range c {
		if dg != nil {
			put(dg, i, float32(sums[c+i]*float64(is[i])), dgamma.Mode)
		}
		if db != nil {
			put(db, i, float32(sums[i]), dbeta.Mode)
		}
	}
}

// moments: d = x[r,i] − shift[i]; s1[i] += d; s2[i] += d²
func (b *engine) moments(s1, s2 []float64, x, shift []float32) {
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
func (b *engine) gradSums(s1, s2 []float64, dy, x, mean []float32) {
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
func (b *engine) normApply(y, x, mean, scale, beta []float32) {
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
func (b *engine) normGrad(dx, dy, x, mean, k []float32, add bool) {
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
