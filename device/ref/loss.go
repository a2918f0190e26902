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
func (b *Backend[F]) Softmax(p, x device.Tensor) {
	const op = "Softmax"
	pd, xd := b.get(op, "p", p), b.get(op, "x", x)
	want(op, p.Shape == x.Shape, "p %v, x %v", p.Shape, x.Shape)
	q, logq := make([]float64, x.C), make([]float64, x.C)
	for r := range x.Rows() {
		softmax(q, logq, row(xd, r, x.C))
		for c, v := range q {
			pd[r*x.C+c] = F(v)
		}
	}
}

// share is channel c's weight in the mean over channels.
func share(c, channels int, lesionOnly bool) float64 {
	switch {
	case !lesionOnly:
		return 1 / float64(channels)
	case c == channels-1:
		return 1
	}
	return 0
}

// DiceLoss implements device.Loss.
func (b *Backend[F]) DiceLoss(loss, sums, prob, x, g device.Tensor, opt device.DiceOptions) {
	const op = "DiceLoss"
	ld, sd, pd := b.get(op, "loss", loss), b.get(op, "sums", sums), b.opt(op, "prob", prob)
	xd, gd := b.get(op, "x", x), b.get(op, "g", g)
	want(op, loss.Shape == device.Scalar() && sums.Shape == device.Vec(3*x.C), "loss %v, sums %v, x %v", loss.Shape, sums.Shape, x.Shape)
	want(op, g.Shape == x.Shape && (pd == nil || prob.Shape == x.Shape), "prob %v, x %v, g %v", prob.Shape, x.Shape, g.Shape)
	apart(op, loss, sums, prob, x, g)
	apart(op, sums, prob, x, g)
	apart(op, prob, x, g)

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
func (b *Backend[F]) DiceLossGrad(dx device.Into, dloss, sums, x, g device.Tensor, opt device.DiceOptions) {
	const op = "DiceLossGrad"
	if dx.Mode == device.Skip {
		return
	}
	dl, sd := b.get(op, "dloss", dloss), b.get(op, "sums", sums)
	xd, gd := b.get(op, "x", x), b.get(op, "g", g)
	want(op, dloss.Shape == device.Scalar() && sums.Shape == device.Vec(3*x.C), "dloss %v, sums %v, x %v", dloss.Shape, sums.Shape, x.Shape)
	want(op, g.Shape == x.Shape && dx.Shape == x.Shape, "dx %v, x %v, g %v", dx.Shape, x.Shape, g.Shape)
	apart(op, dx.Tensor, dloss, sums, x, g)

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
	b.put(op, "dx", dx, s)
}

// MSE implements device.Loss.
func (b *Backend[F]) MSE(loss, x, g device.Tensor) {
	const op = "MSE"
	ld, xd, gd := b.get(op, "loss", loss), b.get(op, "x", x), b.get(op, "g", g)
	want(op, loss.Shape == device.Scalar() && g.Shape == x.Shape, "loss %v, x %v, g %v", loss.Shape, x.Shape, g.Shape)
	apart(op, loss, x, g)
	s := 0.0
	for i := range xd {
		d := float64(xd[i]) - float64(gd[i])
		s += d * d
	}
	ld[0] = F(s / float64(len(xd)))
}

// MSEGrad implements device.Loss.
func (b *Backend[F]) MSEGrad(dx device.Into, dloss, x, g device.Tensor) {
	const op = "MSEGrad"
	if dx.Mode == device.Skip {
		return
	}
	dl, xd, gd := b.get(op, "dloss", dloss), b.get(op, "x", x), b.get(op, "g", g)
	want(op, dloss.Shape == device.Scalar() && g.Shape == x.Shape && dx.Shape == x.Shape,
		"dx %v, dloss %v, x %v, g %v", dx.Shape, dloss.Shape, x.Shape, g.Shape)
	apart(op, dx.Tensor, dloss, x, g)
	s := make([]float64, len(xd))
	for i := range s {
		s[i] = float64(dl[0]) * 2 * (float64(xd[i]) - float64(gd[i])) / float64(len(xd))
	}
	b.put(op, "dx", dx, s)
}
