package ref

import (
	"math"

	"voxgrad/device"
)

// BatchNormStats implements device.Norm.
func (b *Backend[F]) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
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

	n := float64(x.Rows())
	mu := columnSums(xd, x.C)
	for c := range mu {
		mu[c] /= n
	}
	vr := make([]float64, x.C)
	for i, v := range xd {
		d := float64(v) - mu[i%x.C]
		vr[i%x.C] += d * d
	}
	for c := range vr {
		vr[c] /= n
		m[c] = F(mu[c])
		is[c] = F(1 / math.Sqrt(vr[c]+eps))
		if rm == nil {
			continue
		}
		unbiased := vr[c]
		if n > 1 {
			unbiased *= n / (n - 1)
		}
		rm[c] = F((1-momentum)*float64(rm[c]) + momentum*mu[c])
		rv[c] = F((1-momentum)*float64(rv[c]) + momentum*unbiased)
	}
}

// BatchNormInvStd implements device.Norm.
func (b *Backend[F]) BatchNormInvStd(invstd, variance device.Tensor, eps float64) {
	const op = "BatchNormInvStd"
	is, v := b.get(op, "invstd", invstd), b.get(op, "variance", variance)
	want(op, invstd.Shape == variance.Shape && invstd.Shape == device.Vec(invstd.C), "invstd %v, variance %v", invstd.Shape, variance.Shape)
	apart(op, invstd, variance)
	for c := range is {
		is[c] = F(1 / math.Sqrt(float64(v[c])+eps))
	}
}

// BatchNormApply implements device.Norm.
func (b *Backend[F]) BatchNormApply(y, x, gamma, beta, mean, invstd device.Tensor) {
	const op = "BatchNormApply"
	yd, xd := b.get(op, "y", y), b.get(op, "x", x)
	g, be, m, is := b.get(op, "gamma", gamma), b.get(op, "beta", beta), b.get(op, "mean", mean), b.get(op, "invstd", invstd)
	v := device.Vec(x.C)
	want(op, y.Shape == x.Shape, "y %v, x %v", y.Shape, x.Shape)
	want(op, gamma.Shape == v && beta.Shape == v && mean.Shape == v && invstd.Shape == v,
		"x %v, gamma %v, beta %v, mean %v, invstd %v", x.Shape, gamma.Shape, beta.Shape, mean.Shape, invstd.Shape)
	apart(op, y, gamma, beta, mean, invstd)
	for i, v := range xd {
		c := i % x.C
		yd[i] = F((float64(v)-float64(m[c]))*float64(is[c])*float64(g[c]) + float64(be[c]))
	}
}

// BatchNormGrad implements device.Norm.
func (b *Backend[F]) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, fixed bool) {
	const op = "BatchNormGrad"
	dyd, xd := b.get(op, "dy", dy), b.get(op, "x", x)
	g, m, is := b.get(op, "gamma", gamma), b.get(op, "mean", mean), b.get(op, "invstd", invstd)
	v := device.Vec(x.C)
	want(op, dy.Shape == x.Shape && fits(dx, x.Shape), "dx %v, dy %v, x %v", dx.Shape, dy.Shape, x.Shape)
	want(op, gamma.Shape == v && mean.Shape == v && invstd.Shape == v && fits(dgamma, v) && fits(dbeta, v),
		"x %v, gamma %v, mean %v, invstd %v, dgamma %v, dbeta %v", x.Shape, gamma.Shape, mean.Shape, invstd.Shape, dgamma.Shape, dbeta.Shape)
	mayAlias(op, dx, dy, x, gamma, mean, invstd, dgamma.Tensor, dbeta.Tensor)
	apart(op, dgamma.Tensor, dy, x, gamma, mean, invstd, dbeta.Tensor)
	apart(op, dbeta.Tensor, dy, x, gamma, mean, invstd)

	xhat := func(i int) float64 { return (float64(xd[i]) - float64(m[i%x.C])) * float64(is[i%x.C]) }
	sumDy := columnSums(dyd, x.C)
	sumDyX := make([]float64, x.C)
	for i, v := range dyd {
		sumDyX[i%x.C] += float64(v) * xhat(i)
	}
	if dx.Mode != device.Skip {
		n := float64(x.Rows())
		s := make([]float64, len(xd))
		for i, v := range dyd {
			c := i % x.C
			d := float64(v)
			if !fixed {
				d -= sumDy[c]/n + xhat(i)*sumDyX[c]/n
			}
			s[i] = float64(g[c]) * float64(is[c]) * d
		}
		b.put(op, "dx", dx, s)
	}
	b.put(op, "dgamma", dgamma, sumDyX)
	b.put(op, "dbeta", dbeta, sumDy)
}
