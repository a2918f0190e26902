package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// BatchNormStats takes the sums of each block about the block's first row, and puts the
// blocks' means and squares together in float64.
func (o *op) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {

	l := summed(x.Shape, widthOf(x.C))
	part := o.doubles(2*x.C, l)
	o.launch("batchnorm", entry("batchnorm_stats", l.width), l.launch(), part, x, x.Rows(), l.per, x.C, l.tx, l.ty)
	o.launch("batchnorm", "batchnorm_stats_finish", blocks(x.C, threads), mean, invstd, ptr(runMean), ptr(runVar), part, l.parts, x.Rows(), l.per, eps, momentum)
}

// BatchNormInvStd works in float64.
func (o *op) BatchNormInvStd(invstd, variance device.Tensor, eps float64) {
	o.launch("batchnorm", "batchnorm_invstd", PerElement(invstd.C, 1), invstd, variance, invstd.C, eps)
}

// BatchNormApply multiplies invstd and gamma first.
func (o *op) BatchNormApply(y, x, gamma, beta, mean, invstd device.Tensor) {
	l := streamed(x.Shape, widthOf(x.C))
	o.launch("batchnorm", entry("batchnorm_apply", l.width), l.launch(), y, x, gamma, beta, mean, invstd, x.Rows(), l.per, x.C, l.tx, l.ty)
}

// BatchNormGrad takes both sums in one pass and applies them in another; see
// kernels/batchnorm_grad.cu.
func (o *op) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, fixed bool) {

	l := summed(x.Shape, widthOf(x.C))
	var part driver.Ptr
	parts := 0
	if !fixed || dgamma.Mode != device.Skip || dbeta.Mode != device.Skip {
		part, parts = o.doubles(2*x.C, l), l.parts
		o.launch("batchnorm_grad", entry("batchnorm_grad_sums", l.width), l.launch(), part, dy, x, mean, x.Rows(), l.per, x.C, l.tx, l.ty)
	}
	factors := o.workspace(3 * x.C)
	o.launch("batchnorm_grad", "batchnorm_grad_finish", blocks(x.C, threads),
		dgamma, dgamma.Mode == device.Add, dbeta, dbeta.Mode == device.Add, factors, part, parts, gamma, invstd, x.Rows(), fixed)
	if dx.Mode == device.Skip {
		return
	}
	l = streamed(x.Shape, l.width)
	o.launch("batchnorm_grad", entry("batchnorm_grad_apply", l.width), l.launch(),
		dx, dy, x, mean, factors, x.Rows(), l.per, x.C, l.tx, l.ty, dx.Mode == device.Add)
}
