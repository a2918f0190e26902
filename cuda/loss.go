package cuda

import "voxgrad/device"

// Softmax has a thread for each row.
func (o *op) Softmax(p, x device.Tensor) {
	o.launch("loss", "softmax", PerElement(x.Rows(), 1), p, x, x.Rows(), x.C)
}

// DiceLoss adds up in float64 what it computed in fp32.
func (o *op) DiceLoss(loss, sums, prob, x, g device.Tensor, opt device.DiceOptions) {

	l := summed(x.Shape, 1)
	part, total := o.doubles(4*x.C, l), o.workspace(2*4*x.C)
	o.launch("loss", "dice_sums", l.launch(), part, ptr(prob), x, g, x.Rows(), l.per, x.C, l.tx, l.ty)
	o.launch("loss", "dice_finish", blocks(1, threads), loss, sums, total, part, l.parts, x.Rows(), x.C, opt.Eps, opt.CrossEntropy, opt.ForegroundOnly)
}

// DiceLossGrad: with D = P + G + Eps and the channel's weight s in the mean,
//
//	∂loss/∂p = −s·(2g·D − (2I + Eps))/D²
//	∂loss/∂x[c] = p[c]·(∂loss/∂p[c] − Σ_j p[j]·∂loss/∂p[j])
//	            + CrossEntropy/R·(p[c]·Σ_j g[j] − g[c])
//
// What does not depend on the row is computed before, in float64.
func (o *op) DiceLossGrad(dx device.Into, dloss, sums, x, g device.Tensor, opt device.DiceOptions) {

	factors := o.workspace(2*x.C + 1)
	o.launch("loss_grad", "dice_factors", PerElement(x.C, 1), factors, dloss, sums, x.Rows(), x.C, opt.Eps, opt.CrossEntropy, opt.ForegroundOnly)
	o.launch("loss_grad", "dice_grad", PerElement(x.Rows(), 1), dx, x, g, factors, x.Rows(), x.C, dx.Mode == device.Add)
}

// MSE adds up in float64.
func (o *op) MSE(loss, x, g device.Tensor) {
	l := o.shares(x.Len(), 4)
	part := o.workspace(2 * l.Grid.X)
	o.launch("loss", "mse_sums", l, part, x, g, x.Len())
	o.launch("loss", "mse_finish", blocks(1, threads), loss, part, l.Grid.X, x.Len())
}

// MSEGrad is one pass.
func (o *op) MSEGrad(dx device.Into, dloss, x, g device.Tensor) {
	o.launch("loss_grad", "mse_grad", PerElement(x.Len(), 4), dx, dloss, x, g, x.Len(), dx.Mode == device.Add)
}
