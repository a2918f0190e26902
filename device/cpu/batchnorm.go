package cpu

import (
	"math"

	"voxgrad/device"
)

// BatchNormStats takes the sums about the first row instead of about zero, so that one
// pass is enough without cancellation where the mean is large against the deviation.
func (b *Backend) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
	if b.failed() {
		return
	}
	const op = "BatchNormStats"
	m, is, xd := b.get(op, "mean", mean), b.get(op, "invstd", invstd), b.get(op, "x", x)
	rm, rv := b.opt(op, "runMean", runMean), b.opt(op, "runVar", runVar)
	v := device.Vec(x.C)
	want(op, mean.Shape == v && invstd.Shape == v, "mean %v, invstd %v, x %v", mean.Shape, invstd.Shape, x.Shape)
	want(op, (rm == nil) == (rv == nil), "one of runMean and runVar is absent")
	want(op, rm == nil || runMean.Shape == v && runVar.Shape == v, "runMean %v, runVar %v, x %v", runMean.Shape, runVar.Shape, x.Shape)
	apart(op, mean, x, invstd, runMean, runVar)
	apart(op, invstd, x, runMean, runVar)
	apart(op, runMean, x, runVar)
	apart(op, runVar, x)

	c := x.C
	shift := xd[:c]
	sums := rowSums(len(xd)/c, c, 2*c, func(acc []float64, lo, hi int) {
		b.moments(acc[:c], acc[c:], xd[lo*c:hi*c], shift)
	})
	n := float64(x.Rows())
	for i := range c {
		d := sums[i] / n
		mu := float64(shift[i]) + d
		variance := max(0, sums[c+i]/n-d*d)
		m[i] = float32(mu)
		is[i] = float32(1 / math.Sqrt(variance+eps))
		if rm == nil {
			continue
		}
		unbiased := variance
		if n > 1 {
			unbiased *= n / (n - 1)
		}
		rm[i] = float32((1-momentum)*float64(rm[i]) + momentum*mu)
		rv[i] = float32((1-momentum)*float64(rv[i]) + momentum*unbiased)
	}
}

// BatchNormInvStd works in float64.
func (b *Backend) BatchNormInvStd(invstd, variance device.Tensor, eps float64) {
	if b.failed() {
		return
	}
	const op = "BatchNormInvStd"
	is, v := b.get(op, "invstd", invstd), b.get(op, "variance", variance)
	want(op, invstd.Shape == variance.Shape && invstd.Shape == device.Vec(invstd.C), "invstd %v, variance %v", invstd.Shape, variance.Shape)
	apart(op, invstd, variance)
	for c := range is {
		is[c] = float32(1 / math.Sqrt(float64(v[c])+eps))
	}
}

// BatchNormApply multiplies invstd and gamma first.
func (b *Backend) BatchNormApply(y, x, gamma, beta, mean, invstd device.Tensor) {
	if b.failed() {
		return
	}
	const op = "BatchNormApply"
	yd, xd := b.get(op, "y", y), b.get(op, "x", x)
	g, be, m, is := b.get(op, "gamma", gamma), b.get(op, "beta", beta), b.get(op, "mean", mean), b.get(op, "invstd", invstd)
	v := device.Vec(x.C)
	want(op, y.Shape == x.Shape, "y %v, x %v", y.Shape, x.Shape)
	want(op, gamma.Shape == v && beta.Shape == v && mean.Shape == v && invstd.Shape == v,
		"x %v, gamma %v, beta %v, mean %v, invstd %v", x.Shape, gamma.Shape, beta.Shape, mean.Shape, invstd.Shape)
	apart(op, y, gamma, beta, mean, invstd)
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
func (b *Backend) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, fixed bool) {
	if b.failed() || dx.Mode == device.Skip && dgamma.Mode == device.Skip && dbeta.Mode == device.Skip {
		return
	}
	const op = "BatchNormGrad"
	dyd, xd := b.get(op, "dy", dy), b.get(op, "x", x)
	g, m, is := b.get(op, "gamma", gamma), b.get(op, "mean", mean), b.get(op, "invstd", invstd)
	dxd, dg, db := b.into(op, "dx", dx), b.into(op, "dgamma", dgamma), b.into(op, "dbeta", dbeta)
	v := device.Vec(x.C)
	want(op, dy.Shape == x.Shape && fits(dx, x.Shape), "dx %v, dy %v, x %v", dx.Shape, dy.Shape, x.Shape)
	want(op, gamma.Shape == v && mean.Shape == v && invstd.Shape == v && fits(dgamma, v) && fits(dbeta, v),
		"x %v, gamma %v, mean %v, invstd %v, dgamma %v, dbeta %v", x.Shape, gamma.Shape, mean.Shape, invstd.Shape, dgamma.Shape, dbeta.Shape)
	apartInto(op, dx, dy, x, gamma, mean, invstd, dgamma.Tensor, dbeta.Tensor)
	apartInto(op, dgamma, dy, dy, x, gamma, mean, invstd, dbeta.Tensor)
	apartInto(op, dbeta, dy, dy, x, gamma, mean, invstd)

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

// put stores one element of a gradient.
func put(to []float32, i int, v float32, mode device.Mode) {
	if mode == device.Add {
		v += to[i]
	}
	to[i] = v
}
