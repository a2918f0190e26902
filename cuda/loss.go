package cuda

import "voxgrad/device"

// Softmax has a thread for each row.
func (b *Backend) Softmax(p, x device.Tensor) {
	o := b.begin("Softmax")
	if o == nil {
		return
	}
	defer o.end()
	pp, xp := o.ptr("p", p), o.ptr("x", x)
	o.want(p.Shape == x.Shape, "p %v, x %v", p.Shape, x.Shape)
	o.launch("loss", "softmax", o.perElement(x.Rows(), 1), pp, xp, x.Rows(), x.C)
}

// DiceLoss adds up in float64 what it computed in fp32.
func (b *Backend) DiceLoss(loss, sums, prob, x, g device.Tensor, opt device.DiceOptions) {
	o := b.begin("DiceLoss")
	if o == nil {
		return
	}
	defer o.end()
	lp, sp, pp := o.ptr("loss", loss), o.ptr("sums", sums), o.opt("prob", prob)
	xp, gp := o.ptr("x", x), o.ptr("g", g)
	o.want(loss.Shape == device.Scalar() && sums.Shape == device.Vec(3*x.C), "loss %v, sums %v, x %v", loss.Shape, sums.Shape, x.Shape)
	o.want(g.Shape == x.Shape && (prob.None() || prob.Shape == x.Shape), "prob %v, x %v, g %v", prob.Shape, x.Shape, g.Shape)
	o.apart(loss, sums, prob, x, g)
	o.apart(sums, prob, x, g)
	o.apart(prob, x, g)

	l := summed(x.Shape, 1)
	part, total := o.doubles(4*x.C, l), o.workspace(2*4*x.C)
	o.launch("loss", "dice_sums", l.launch(), part, pp, xp, gp, x.Rows(), l.per, x.C, l.tx, l.ty)
	o.launch("loss", "dice_finish", blocks(1, threads), lp, sp, total, part, l.parts, x.Rows(), x.C, opt.Eps, opt.CrossEntropy, opt.ForegroundOnly)
}

// DiceLossGrad: with D = P + G + Eps and the channel's weight s in the mean,
//
//	∂loss/∂p = −s·(2g·D − (2I + Eps))/D²
//	∂loss/∂x[c] = p[c]·(∂loss/∂p[c] − Σ_j p[j]·∂loss/∂p[j])
//	            + CrossEntropy/R·(p[c]·Σ_j g[j] − g[c])
//
// What does not depend on the row is computed before, in float64.
func (b *Backend) DiceLossGrad(dx device.Into, dloss, sums, x, g device.Tensor, opt device.DiceOptions) {
	if dx.Mode == device.Skip {
		return
	}
	o := b.begin("DiceLossGrad")
	if o == nil {
		return
	}
	defer o.end()
	dxp, dl, sp := o.into("dx", dx), o.ptr("dloss", dloss), o.ptr("sums", sums)
	xp, gp := o.ptr("x", x), o.ptr("g", g)
	o.want(dloss.Shape == device.Scalar() && sums.Shape == device.Vec(3*x.C), "dloss %v, sums %v, x %v", dloss.Shape, sums.Shape, x.Shape)
	o.want(g.Shape == x.Shape && dx.Shape == x.Shape, "dx %v, x %v, g %v", dx.Shape, x.Shape, g.Shape)
	o.apart(dx.Tensor, dloss, sums, x, g)

	factors := o.workspace(2*x.C + 1)
	o.launch("loss_grad", "dice_factors", o.perElement(x.C, 1), factors, dl, sp, x.Rows(), x.C, opt.Eps, opt.CrossEntropy, opt.ForegroundOnly)
	o.launch("loss_grad", "dice_grad", o.perElement(x.Rows(), 1), dxp, xp, gp, factors, x.Rows(), x.C, dx.Mode == device.Add)
}

// MSE adds up in float64.
func (b *Backend) MSE(loss, x, g device.Tensor) {
	o := b.begin("MSE")
	if o == nil {
		return
	}
	defer o.end()
	lp, xp, gp := o.ptr("loss", loss), o.ptr("x", x), o.ptr("g", g)
	o.want(loss.Shape == device.Scalar() && g.Shape == x.Shape, "loss %v, x %v, g %v", loss.Shape, x.Shape, g.Shape)
	o.apart(loss, x, g)
	l := o.shares(x.Len(), 4)
	part := o.workspace(2 * l.Grid.X)
	o.launch("loss", "mse_sums", l, part, xp, gp, x.Len())
	o.launch("loss", "mse_finish", blocks(1, threads), lp, part, l.Grid.X, x.Len())
}

// MSEGrad is one pass.
func (b *Backend) MSEGrad(dx device.Into, dloss, x, g device.Tensor) {
	if dx.Mode == device.Skip {
		return
	}
	o := b.begin("MSEGrad")
	if o == nil {
		return
	}
	defer o.end()
	dxp, dl, xp, gp := o.into("dx", dx), o.ptr("dloss", dloss), o.ptr("x", x), o.ptr("g", g)
	o.want(dloss.Shape == device.Scalar() && g.Shape == x.Shape && dx.Shape == x.Shape,
		"dx %v, dloss %v, x %v, g %v", dx.Shape, dloss.Shape, x.Shape, g.Shape)
	o.apart(dx.Tensor, dloss, x, g)
	o.launch("loss_grad", "mse_grad", o.perElement(x.Len(), 4), dxp, dl, xp, gp, x.Len(), dx.Mode == device.Add)
}
