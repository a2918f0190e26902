package meta

import "voxgrad/device"

// list spares the many []device.Tensor below.
func list(t ...device.Tensor) []device.Tensor { return t }

// Upload counts.
func (b *Backend) Upload(t device.Tensor, src []float32) { b.call("Upload", 0, list(t)) }

// Download gives zeros.
func (b *Backend) Download(dst []float32, t device.Tensor) {
	clear(dst)
	b.call("Download", 0, list(t))
}

// Fill counts.
func (b *Backend) Fill(t device.Tensor, v float32) { b.call("Fill", 0, list(t)) }

// Copy counts.
func (b *Backend) Copy(dst device.Into, src device.Tensor) {
	if dst.Mode != device.Skip {
		b.call("Copy", 0, list(src), dst)
	}
}

// NonFinite counts.
func (b *Backend) NonFinite(count, x device.Tensor) { b.call("NonFinite", 0, list(count, x)) }

// taps is the floating-point operations of a convolution with weights w whose
// grid of kernel positions is that of x.
func taps(x device.Tensor, w device.Shape) int64 {
	return 2 * int64(x.Rows()) * int64(w.Len())
}

// kernel is the weights' shape of a convolution without its weights at hand.
func kernel(win device.ConvParams, in, out device.Tensor) device.Shape {
	return device.Weights(win.K, in.C, out.C)
}

// Conv counts 2·K³·Cin·Cout for each output voxel.
func (b *Backend) Conv(y, x, w, bias device.Tensor, win device.ConvParams, act device.Act) {
	b.call("Conv", taps(y, w.Shape), list(y, x, w, bias))
}

// ConvGradX counts as Conv.
func (b *Backend) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	if dx.Mode != device.Skip {
		b.call("ConvGradX", taps(dy, w.Shape), list(dy, w), dx)
	}
}

// ConvGradW counts as Conv; the bias alone counts no arithmetic.
func (b *Backend) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	b.gradW("ConvGradW", dw, db, x, dy, taps(dy, kernel(win, x, dy)))
}

func (b *Backend) gradW(op string, dw, db device.Into, x, dy device.Tensor, flops int64) {
	switch {
	case dw.Mode != device.Skip:
		b.call(op, flops, list(x, dy), dw, db)
	case db.Mode != device.Skip:
		b.call(op, 0, list(dy), db)
	}
}

// ConvT counts 2·K³·Cin·Cout for each input voxel.
func (b *Backend) ConvT(y, x, w, bias device.Tensor, win device.ConvParams) {
	b.call("ConvT", taps(x, w.Shape), list(y, x, w, bias))
}

// ConvTGradX counts as ConvT.
func (b *Backend) ConvTGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	if dx.Mode != device.Skip {
		b.call("ConvTGradX", taps(dx.Tensor, w.Shape), list(dy, w), dx)
	}
}

// ConvTGradW counts as ConvT.
func (b *Backend) ConvTGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	b.gradW("ConvTGradW", dw, db, x, dy, taps(x, kernel(win, x, dy)))
}

// ReLUGrad counts.
func (b *Backend) ReLUGrad(dx device.Into, dy, y device.Tensor) {
	if dx.Mode != device.Skip {
		b.call("ReLUGrad", 0, list(dy, y), dx)
	}
}

// BatchNormStats counts one read of x.
func (b *Backend) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
	b.call("BatchNormStats", 0, list(mean, invstd, x, runMean, runVar))
}

// BatchNormInvStd counts.
func (b *Backend) BatchNormInvStd(invstd, variance device.Tensor, eps float64) {
	b.call("BatchNormInvStd", 0, list(invstd, variance))
}

// BatchNormApply counts.
func (b *Backend) BatchNormApply(y, x, gamma, beta, mean, invstd device.Tensor) {
	b.call("BatchNormApply", 0, list(y, x, gamma, beta, mean, invstd))
}

// BatchNormGrad counts one read of dy and x, although dx needs their sums first: a second read
// is a matter of the device.
func (b *Backend) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, fixed bool) {
	b.call("BatchNormGrad", 0, list(dy, x, gamma, mean, invstd), dx, dgamma, dbeta)
}

// MaxPool counts.
func (b *Backend) MaxPool(y, x device.Tensor) { b.call("MaxPool", 0, list(y, x)) }

// MaxPoolGrad counts.
func (b *Backend) MaxPoolGrad(dx device.Into, dy, x, y device.Tensor) {
	if dx.Mode != device.Skip {
		b.call("MaxPoolGrad", 0, list(dy, x, y), dx)
	}
}

// Upsample counts.
func (b *Backend) Upsample(y, x device.Tensor) { b.call("Upsample", 0, list(y, x)) }

// UpsampleGrad counts.
func (b *Backend) UpsampleGrad(dx device.Into, dy device.Tensor) {
	if dx.Mode != device.Skip {
		b.call("UpsampleGrad", 0, list(dy), dx)
	}
}

// Concat counts.
func (b *Backend) Concat(y, a, c device.Tensor) { b.call("Concat", 0, list(y, a, c)) }

// Split counts the whole of dy even if one side is skipped.
func (b *Backend) Split(da, db device.Into, dy device.Tensor) { b.call("Split", 0, list(dy), da, db) }

// Softmax counts.
func (b *Backend) Softmax(p, x device.Tensor) { b.call("Softmax", 0, list(p, x)) }

// DiceLoss counts.
func (b *Backend) DiceLoss(loss, sums, prob, x, g device.Tensor, opt device.DiceOptions) {
	b.call("DiceLoss", 0, list(loss, sums, prob, x, g))
}

// DiceLossGrad counts.
func (b *Backend) DiceLossGrad(dx device.Into, dloss, sums, x, g device.Tensor, opt device.DiceOptions) {
	if dx.Mode != device.Skip {
		b.call("DiceLossGrad", 0, list(dloss, sums, x, g), dx)
	}
}

// MSE counts.
func (b *Backend) MSE(loss, x, g device.Tensor) { b.call("MSE", 0, list(loss, x, g)) }

// MSEGrad counts.
func (b *Backend) MSEGrad(dx device.Into, dloss, x, g device.Tensor) {
	if dx.Mode != device.Skip {
		b.call("MSEGrad", 0, list(dloss, x, g), dx)
	}
}

// Adam counts a read of the four tensors of each slot and a write of all but
// the gradient.
func (b *Backend) Adam(slots []device.AdamSlot, opt device.AdamOptions) {
	var moved []device.Tensor
	for _, s := range slots {
		moved = append(moved, s.W, s.W, s.M, s.M, s.V, s.V, s.Grad)
	}
	b.call("Adam", 0, moved)
}

// Dropout counts.
func (b *Backend) Dropout(y, x device.Tensor, p float64, key uint64) {
	b.call("Dropout", 0, list(y, x))
}

// DropoutGrad counts.
func (b *Backend) DropoutGrad(dx device.Into, dy device.Tensor, p float64, key uint64) {
	if dx.Mode != device.Skip {
		b.call("DropoutGrad", 0, list(dy), dx)
	}
}
