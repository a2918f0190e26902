package cuda

import (
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// BatchNormStats takes the sums of each block about the block's first row, and puts the
// blocks' means and squares together in float64.
func (b *Backend) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
	o := b.begin("BatchNormStats")
	if o == nil {
		return
	}
	defer o.end()
	m, is, xp := o.ptr("mean", mean), o.ptr("invstd", invstd), o.ptr("x", x)
	rm, rv := o.opt("runMean", runMean), o.opt("runVar", runVar)
	v := device.Vec(x.C)
	o.want(mean.Shape == v && invstd.Shape == v, "mean %v, invstd %v, x %v", mean.Shape, invstd.Shape, x.Shape)
	o.want(runMean.None() == runVar.None(), "one of runMean and runVar is absent")
	o.want(runMean.None() || runMean.Shape == v && runVar.Shape == v, "runMean %v, runVar %v, x %v", runMean.Shape, runVar.Shape, x.Shape)
	o.apart(mean, x, invstd, runMean, runVar)
	o.apart(invstd, x, runMean, runVar)
	o.apart(runMean, x, runVar)
	o.apart(runVar, x)

	l := summed(x.Shape, widthOf(x.C))
	part := o.doubles(2*x.C, l)
	o.launch("batchnorm", entry("batchnorm_stats", l.width), l.launch(), part, xp, x.Rows(), l.per, x.C, l.tx, l.ty)
	o.launch("batchnorm", "batchnorm_stats_finish", blocks(x.C, threads), m, is, rm, rv, part, l.parts, x.Rows(), l.per, eps, momentum)
}

// BatchNormInvStd works in float64.
func (b *Backend) BatchNormInvStd(invstd, variance device.Tensor, eps float64) {
	o := b.begin("BatchNormInvStd")
	if o == nil {
		return
	}
	defer o.end()
	is, v := o.ptr("invstd", invstd), o.ptr("variance", variance)
	o.want(invstd.Shape == variance.Shape && invstd.Shape == device.Vec(invstd.C), "invstd %v, variance %v", invstd.Shape, variance.Shape)
	o.apart(invstd, variance)
	o.launch("batchnorm", "batchnorm_invstd", o.perElement(invstd.C, 1), is, v, invstd.C, eps)
}

// BatchNormApply multiplies invstd and gamma first.
func (b *Backend) BatchNormApply(y, x, gamma, beta, mean, invstd device.Tensor) {
	o := b.begin("BatchNormApply")
	if o == nil {
		return
	}
	defer o.end()
	yp, xp := o.ptr("y", y), o.ptr("x", x)
	g, be, m, is := o.ptr("gamma", gamma), o.ptr("beta", beta), o.ptr("mean", mean), o.ptr("invstd", invstd)
	v := device.Vec(x.C)
	o.want(y.Shape == x.Shape, "y %v, x %v", y.Shape, x.Shape)
	o.want(gamma.Shape == v && beta.Shape == v && mean.Shape == v && invstd.Shape == v,
		"x %v, gamma %v, beta %v, mean %v, invstd %v", x.Shape, gamma.Shape, beta.Shape, mean.Shape, invstd.Shape)
	o.apart(y, gamma, beta, mean, invstd)
	l := streamed(x.Shape, widthOf(x.C))
	o.launch("batchnorm", entry("batchnorm_apply", l.width), l.launch(), yp, xp, g, be, m, is, x.Rows(), l.per, x.C, l.tx, l.ty)
}

// BatchNormGrad takes both sums in one pass and applies them in another; see
// kernels/batchnorm_grad.cu.
func (b *Backend) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, fixed bool) {
	if dx.Mode == device.Skip && dgamma.Mode == device.Skip && dbeta.Mode == device.Skip {
		return
	}
	o := b.begin("BatchNormGrad")
	if o == nil {
		return
	}
	defer o.end()
	dyp, xp := o.ptr("dy", dy), o.ptr("x", x)
	g, m, is := o.ptr("gamma", gamma), o.ptr("mean", mean), o.ptr("invstd", invstd)
	dxp, dg, db := o.into("dx", dx), o.into("dgamma", dgamma), o.into("dbeta", dbeta)
	v := device.Vec(x.C)
	o.want(dy.Shape == x.Shape && fits(dx, x.Shape), "dx %v, dy %v, x %v", dx.Shape, dy.Shape, x.Shape)
	o.want(gamma.Shape == v && mean.Shape == v && invstd.Shape == v && fits(dgamma, v) && fits(dbeta, v),
		"x %v, gamma %v, mean %v, invstd %v, dgamma %v, dbeta %v", x.Shape, gamma.Shape, mean.Shape, invstd.Shape, dgamma.Shape, dbeta.Shape)
	o.apartInto(dx, dy, x, gamma, mean, invstd, dgamma.Tensor, dbeta.Tensor)
	o.apartInto(dgamma, dy, dy, x, gamma, mean, invstd, dbeta.Tensor)
	o.apartInto(dbeta, dy, dy, x, gamma, mean, invstd)

	l := summed(x.Shape, widthOf(x.C))
	var part driver.Ptr
	parts := 0
	if !fixed || dgamma.Mode != device.Skip || dbeta.Mode != device.Skip {
		part, parts = o.doubles(2*x.C, l), l.parts
		o.launch("batchnorm_grad", entry("batchnorm_grad_sums", l.width), l.launch(), part, dyp, xp, m, x.Rows(), l.per, x.C, l.tx, l.ty)
	}
	factors := o.workspace(3 * x.C)
	o.launch("batchnorm_grad", "batchnorm_grad_finish", blocks(x.C, threads),
		dg, dgamma.Mode == device.Add, db, dbeta.Mode == device.Add, factors, part, parts, g, is, x.Rows(), fixed)
	if dx.Mode == device.Skip {
		return
	}
	l = streamed(x.Shape, l.width)
	o.launch("batchnorm_grad", entry("batchnorm_grad_apply", l.width), l.launch(),
		dxp, dyp, xp, m, factors, x.Rows(), l.per, x.C, l.tx, l.ty, dx.Mode == device.Add)
}
