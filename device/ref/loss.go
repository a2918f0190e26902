package ref

import (
	"math"

	"voxgrad/device"
)

// softmax sets p to the softmax of one row and returns its logarithm.
func softmax[F ~float32 | ~float64](p, logp []float64, x []F) {
	top := float64(x[0])
	for _, v := range x {
		top = max(top, float64(v))
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	for c, v := range x {
		logp[c] = float64(v) - top - math.Log(sum)
		p[c] = math.Exp(float64(v)-top) / sum
	}
}

// Softmax implements device.Loss.
func (b loops[F]) Softmax(p, x device.Tensor) {
	pd, xd := b.data(p), b.data(x)
	q, logq := make([]float64, x.C), make([]float64, x.C)
	for r := range x.Rows() {
		softmax(q, logq, row(xd, r, x.C))
		for c, v := range q {
			pd[r*x.C+c] = F(v)
		}
	}
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

// DiceLoss implements device.Loss.
func (b loops[F]) DiceLoss(loss, sums, prob, x, g device.Tensor, opt device.DiceOptions) {
	ld, sd, pd := b.data(loss), b.data(sums), b.data(prob)
	xd, gd := b.data(x), b.data(g)

	s := make([]float64, 3*x.C)
	sumI, sumP, sumG := s[:x.C], s[x.C:2*x.C], s[2*x.C:]
	ce := 0.0
	p, logp := make([]float64, x.C), make([]float64, x.C)
	for r := range x.Rows() {
		softmax(p, logp, row(xd, r, x.C))
		for c, v := range row(gd, r, x.C) {
			g := float64(v)
			sumI[c] += p[c] * g
			sumP[c] += p[c]
			sumG[c] += g
			ce -= g * logp[c]
			if pd != nil {
				pd[r*x.C+c] = F(p[c])
			}
		}
	}
	l := 1.0
	for c := range x.C {
		l -= share(c, x.C, opt.ForegroundOnly) * (2*sumI[c] + opt.Eps) / (sumP[c] + sumG[c] + opt.Eps)
	}
	if opt.CrossEntropy != 0 {
		l += opt.CrossEntropy * ce / float64(x.Rows())
	}
	ld[0] = F(l)
	for i, v := range s {
		sd[i] = F(v)
	}
}

// DiceLossGrad implements device.Loss. With D = P + G + Eps and the channel's
// weight s in the mean:
//
//	∂loss/∂p = −s·(2g·D − (2I + Eps))/D²
//	∂loss/∂x[c] = p[c]·(∂loss/∂p[c] − Σ_j p[j]·∂loss/∂p[j])
//	            + CrossEntropy/R·(p[c]·Σ_j g[j] − g[c])
func (b loops[F]) DiceLossGrad(dx device.Into, dloss, sums, x, g device.Tensor, opt device.DiceOptions) {
	dl, sd := b.data(dloss), b.data(sums)
	xd, gd := b.data(x), b.data(g)

	n := x.C
	s := make([]float64, len(xd))
	p, logp, dp := make([]float64, n), make([]float64, n), make([]float64, n)
	for r := range x.Rows() {
		softmax(p, logp, row(xd, r, n))
		gr := row(gd, r, n)
		var sumG, sumPD float64
		for c := range n {
			num := 2*float64(sd[c]) + opt.Eps
			den := float64(sd[n+c]) + float64(sd[2*n+c]) + opt.Eps
			dp[c] = -share(c, n, opt.ForegroundOnly) * (2*float64(gr[c])*den - num) / (den * den)
			sumPD += p[c] * dp[c]
			sumG += float64(gr[c])
		}
		for c := range n {
			d := p[c] * (dp[c] - sumPD)
			if opt.CrossEntropy != 0 {
				d += opt.CrossEntropy / float64(x.Rows()) * (p[c]*sumG - float64(gr[c]))
			}
			s[r*n+c] = float64(dl[0]) * d
		}
	}
	b.put(dx, s)
}

// MSE implements device.Loss.
func (b loops[F]) MSE(loss, x, g device.Tensor) {
	ld, xd, gd := b.data(loss), b.data(x), b.data(g)
	s := 0.0
	for i := range xd {
		d := float64(xd[i]) - float64(gd[i])
		s += d * d
	}
	ld[0] = F(s / float64(len(xd)))
}

// MSEGrad implements device.Loss.
func (b loops[F]) MSEGrad(dx device.Into, dloss, x, g device.Tensor) {
	dl, xd, gd := b.data(dloss), b.data(x), b.data(g)
	s := make([]float64, len(xd))
	for i := range s {
		s[i] = float64(dl[0]) * 2 * (float64(xd[i]) - float64(gd[i])) / float64(len(xd))
	}
	b.put(dx, s)
}
