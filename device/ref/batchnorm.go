package ref

import (
	"math"

	"voxgrad/device"
)

// BatchNormStats implements device.BatchNorm.
func (b loops[F]) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
	m, is, xd := b.data(mean), b.data(invstd), b.data(x)
	rm, rv := b.data(runMean), b.data(runVar)

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

// BatchNormInvStd implements device.BatchNorm.
func (b loops[F]) BatchNormInvStd(invstd, variance device.Tensor, eps float64) {
	is, v := b.data(invstd), b.data(variance)
	for c := range is {
		is[c] = F(1 / math.Sqrt(float64(v[c])+eps))
	}
}

// BatchNormApply implements device.BatchNorm.
func (b loops[F]) BatchNormApply(y, x, gamma, beta, mean, invstd device.Tensor) {
	yd, xd := b.data(y), b.data(x)
	g, be, m, is := b.data(gamma), b.data(beta), b.data(mean), b.data(invstd)
	for i, v := range xd {
		c := i % x.C
		yd[i] = F((float64(v)-float64(m[c]))*float64(is[c])*float64(g[c]) + float64(be[c]))
	}
}

// BatchNormGrad implements device.BatchNorm.
func (b loops[F]) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, fixed bool) {
	dyd, xd := b.data(dy), b.data(x)
	g, m, is := b.data(gamma), b.data(mean), b.data(invstd)

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
		b.put(dx, s)
	}
	b.put(dgamma, sumDyX)
	b.put(dbeta, sumDy)
}
