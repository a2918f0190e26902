package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// statistics is where those of a tensor's channels go. The running ones may be null.
type statistics struct {
	mean, invstd, runMean, runVar driver.Ptr
	eps, momentum                 float64
}

// BatchNormStats takes the sums of each block about the block's first row, and puts the
// blocks' means and squares together in float64.
func (o *op) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
	o.stats(statistics{ptr(mean), ptr(invstd), ptr(runMean), ptr(runVar), eps, momentum}, ptr(x), x.Shape, elementOf(x))
}

func (o *op) stats(to statistics, x driver.Ptr, s device.Shape, e element) {
	l := summed(s, widthOf(s.C))
	part := o.doubles(2*s.C, l)
	o.stored(e, "batchnorm", entry("batchnorm_stats", l.width), l.launch(), part, x, s.Rows(), l.per, s.C, l.tx, l.ty)
	o.finishStats(to, s.C, part, l.parts, s.Rows(), l.per, l.parts)
}

// finishStats puts parts together: of each chunk of them, per rows of so many in all; if per is 0, the parts have their numbers of rows behind them.
func (o *op) finishStats(to statistics, c int, part driver.Ptr, parts, rows, per, chunk int) {
	o.launch("batchnorm", "batchnorm_stats_finish", blocks(c, threads), to.mean, to.invstd, to.runMean, to.runVar, part, parts, rows, per, chunk, to.eps, to.momentum)
}

// BatchNormInvStd works in float64.
func (o *op) BatchNormInvStd(invstd, variance device.Tensor, eps float64) {
	o.launch("batchnorm", "batchnorm_invstd", PerElement(invstd.C, 1), invstd, variance, invstd.C, eps)
}

// BatchNormApply multiplies invstd and gamma first.
func (o *op) BatchNormApply(y, x, gamma, beta, mean, invstd device.Tensor) {
	l := streamed(x.Shape, widthOf(x.C))
	o.stored(elementOf(x), "batchnorm", entry("batchnorm_apply", l.width), l.launch(), y, x, gamma, beta, mean, invstd, x.Rows(), l.per, x.C, l.tx, l.ty)
}

// BatchNormGrad takes both sums in one pass and applies them in another; see
// kernels/batchnorm_grad.cu.
func (o *op) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, fixed bool) {
	var part driver.Ptr
	parts := 0
	if !fixed || dgamma.Mode != device.Skip || dbeta.Mode != device.Skip {
		part, parts = o.gradSums(ptr(dy), ptr(x), ptr(mean), x.Shape, elementOf(x))
	}
	factors := o.workspace(3 * x.C)
	o.launch("batchnorm_grad", "batchnorm_grad_finish", blocks(x.C, threads),
		dgamma, dgamma.Mode == device.Add, dbeta, dbeta.Mode == device.Add, factors, part, parts, gamma, invstd, x.Rows(), fixed)
	if dx.Mode == device.Skip {
		return
	}
	l := streamed(x.Shape, widthOf(x.C))
	o.stored(elementOf(x), "batchnorm_grad", entry("batchnorm_grad_apply", l.width), l.launch(),
		dx, dy, x, mean, factors, x.Rows(), l.per, x.C, l.tx, l.ty, dx.Mode == device.Add)
}

// gradSums are parts of Σ dy and, behind them, of Σ dy·(x − mean).
func (o *op) gradSums(dy, x, mean driver.Ptr, s device.Shape, e element) (part driver.Ptr, parts int) {
	l := summed(s, widthOf(s.C))
	part = o.doubles(2*s.C, l)
	o.stored(e, "batchnorm_grad", entry("batchnorm_grad_sums", l.width), l.launch(), part, dy, x, mean, s.Rows(), l.per, s.C, l.tx, l.ty)
	return part, l.parts
}
