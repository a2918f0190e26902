package autograd

import "voxgrad/device"

// DiceLoss is softmax and soft Dice in one (device.Loss.DiceLoss). logits,
// target: [N D H W C], the target with one channel per class.
//
// It gives the loss, a scalar, and sums, Vec(3·C): Σ p·g of all channels, then Σ p,
// then Σ g, from which a training loop reads the Dice of each channel and the mean
// probability without another pass.
func (t *Tape) DiceLoss(logits, target *Var, opt device.DiceOptions) (loss, sums *Var) {
	t.check(logits, target)
	loss, sums = t.result(device.Scalar()), t.result(device.Vec(3*logits.C))
	t.dev.DiceLoss(loss.Tensor, sums.Tensor, device.Tensor{}, logits.Tensor, target.Tensor, opt)
	t.done("dice", loss, []*Var{logits, target}, []*Var{logits, target, sums}, func(dl device.Tensor) {
		t.dev.DiceLossGrad(t.into(logits), dl, sums.Tensor, logits.Tensor, target.Tensor, opt)
	})
	return loss, sums
}

// MSE is the mean squared difference of all elements, a scalar.
func (t *Tape) MSE(x, target *Var) *Var {
	t.check(x, target)
	loss := t.result(device.Scalar())
	t.dev.MSE(loss.Tensor, x.Tensor, target.Tensor)
	return t.done("mse", loss, []*Var{x, target}, []*Var{x, target}, func(dl device.Tensor) {
		t.dev.MSEGrad(t.into(x), dl, x.Tensor, target.Tensor)
	})
}

// Softmax turns logits into probabilities, over channels. It is for reading a
// network's answer and has no reverse step: DiceLoss contains its own softmax.
func (t *Tape) Softmax(logits *Var) *Var {
	t.check(logits)
	if t.wants(logits) {
		panic("autograd: Softmax has no gradient; pass the logits to DiceLoss")
	}
	from := logits.Tensor
	p := t.inPlace(logits)
	t.dev.Softmax(p.Tensor, from)
	return t.done("softmax", p, []*Var{logits}, nil, nil)
}
