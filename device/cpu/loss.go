package cpu

import (
	"math"

	"voxgrad/device"
)

// softmax sets p to the softmax of one row of x and returns max + log Σ, which
// is what log p lacks against x.
func softmax(p []float64, x []float32) float64 {
	top := x[0]
	for _, v := range x {
		top = max(top, v)
	}
	sum := 0.0
	for c, v := range x {
		p[c] = math.Exp(float64(v) - float64(top))
		sum += p[c]
	}
	for c := range p {
		p[c] /= sum
	}
	return float64(top) + math.Log(sum)
}

// Softmax works in float64.
func (b *engine) Softmax(p, x device.Tensor) {
	pd, xd := data(p), data(x)
	c := x.C
	rows(x.Rows(), c, func(lo, hi int) {
		q := make([]float64, c)
		for ; lo < hi; lo++ {
			softmax(q, xd[lo*c:][:c])
			for i, v := range q {
				pd[lo*c+i] = float32(v)
			}
		}
	})
}

// share is channel c's weight in the mean over channels.
func share(c, channels int, foregroundOnly bool) float64 {
	switch {
	case !foregroundOnly:
		return 1 / float64(channels)
	case c == channels-1:
		return 1
	}
	return 0
}

// DiceLoss works in float64, in one pass.
func (b *engine) DiceLoss(loss, sums, prob, x, g device.Tensor, opt device.DiceOptions) {
	ld, sd, pd := data(loss), data(sums), data(prob)
	xd, gd := data(x), data(g)

	c := x.C
	s := rowSums(x.Rows(), c, 3*c+1, func(acc []float64, lo, hi int) {
		sumI, sumP, sumG := acc[:c], acc[c:2*c], acc[2*c:3*c]
		p := make([]float64, c)
		for ; lo < hi; lo++ {
			xr := xd[lo*c:][:c]
			norm := softmax(p, xr)
			for i, v := range gd[lo*c:][:c] {
				g := float64(v)
				sumI[i] += p[i] * g
				sumP[i] += p[i]
				sumG[i] += g
				acc[3*c] -= g * (float64(xr[i]) - norm)
				if pd != nil {
					pd[lo*c+i] = float32(p[i])
				}
			}
		}
	})
	l := 1.0
	for i := range c {
		l -= share(i, c, opt.ForegroundOnly) * (2*s[i] + opt.Eps) / (s[c+i] + s[2*c+i] + opt.Eps)
	}
	if opt.CrossEntropy != 0 {
		l += opt.CrossEntropy * s[3*c] / float64(x.Rows())
	}
	ld[0] = float32(l)
	for i := range sd {
		sd[i] = float32(s[i])
	}
}

// DiceLossGrad: with D = P + G + Eps and the channel's weight s in the mean,
//
//	∂loss/∂p = −s·(2g·D − (2I + Eps))/D²
//	∂loss/∂x[c] = p[c]·(∂loss/∂p[c] − Σ_j p[j]·∂loss/∂p[j])
//	            + CrossEntropy/R·(p[c]·Σ_j g[j] − g[c])
func (b *engine) DiceLossGrad(dx device.Into, dloss, sums, x, g device.Tensor, opt device.DiceOptions) {
	dxd, dl, sd := data(dx.Tensor), data(dloss), data(sums)
	xd, gd := data(x), data(g)

	c := x.C
	// ∂loss/∂p = offset + slope·g
	offset, slope := make([]float64, c), make([]float64, c)
	for i := range c {
		num := 2*float64(sd[i]) + opt.Eps
		den := float64(sd[c+i]) + float64(sd[2*c+i]) + opt.Eps
		w := share(i, c, opt.ForegroundOnly) * float64(dl[0])
		offset[i], slope[i] = w*num/(den*den), -2*w/den
	}
	ce := float64(dl[0]) * opt.CrossEntropy / float64(x.Rows())
	rows(x.Rows(), c, func(lo, hi int) {
		p, dp := make([]float64, c), make([]float64, c)
		for ; lo < hi; lo++ {
			softmax(p, xd[lo*c:][:c])
			gr := gd[lo*c:][:c]
			var sumG, mean float64
			for i, v := range gr {
				dp[i] = offset[i] + slope[i]*float64(v)
				mean += p[i] * dp[i]
				sumG += float64(v)
			}
			for i, v := range gr {
				d := p[i]*(dp[i]-mean) + ce*(p[i]*sumG-float64(v))
				put(dxd, lo*c+i, float32(d), dx.Mode)
			}
		}
	})
}

// MSE adds up in float64.
func (b *engine) MSE(loss, x, g device.Tensor) {
	ld, xd, gd := data(loss), data(x), data(g)
	s := rowSums(len(xd), 1, 1, func(acc []float64, lo, hi int) {
		sum := 0.0
		for i, v := range xd[lo:hi] {
			d := float64(v) - float64(gd[lo+i])
			sum += d * d
		}
		acc[0] += sum
	})
	ld[0] = float32(s[0] / float64(len(xd)))
}

// MSEGrad is one pass.
func (b *engine) MSEGrad(dx device.Into, dloss, x, g device.Tensor) {
	dxd, dl := data(dx.Tensor), data(dloss)
	xd, gd := data(x), data(g)
	k := float32(float64(dl[0]) * 2 / float64(len(xd)))
	elements(len(xd), func(lo, hi int) {
		d, x, g := dxd[lo:hi], xd[lo:hi], gd[lo:hi]
		for i, v := range x {
			r := k * (v - g[i])
			if dx.Mode == device.Add {
				r += d[i]
			}
			d[i] = r
		}
	})
}
