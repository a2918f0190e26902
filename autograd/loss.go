package autograd

import "voxgrad/device"

// DiceLoss is softmax and soft Dice in one (device.Loss.DiceLoss). logits,
// target: [N D H W C], the target with one channel per class.
//
// It returns the loss, a scalar, and sums, Vec(3·C): Σ p·g of all channels, then Σ p,
// then Σ g, from which a training loop reads the Dice of each channel and the mean
// probability without another pass. The target must want no gradient: there is none.
func (t *Tape) DiceLoss(logits, target *Var, opt device.DiceOptions) (loss, sums *Var) {
	if t.wants([]*Var{target}) {
		panic("autograd: DiceLoss has no gradient in its target, but one is wanted")
	}
	out := t.Apply(Op{
		Name: "dice", In: []*Var{logits, target},
		Out: []device.Shape{device.Scalar()}, Side: []device.Shape{device.Vec(3 * logits.C)},
		Forward: func(out, in []device.Tensor) {
			t.dev.DiceLoss(out[0], out[1], device.Tensor{}, in[0], in[1], opt)
		},
		Reverse: func(s Saved, dy []device.Tensor, dx []device.Into) {
			t.dev.DiceLossGrad(dx[0], dy[0], s.Out[1], s.In[0], s.In[1], opt)
		},
		SaveIn: []int{0, 1}, SaveOut: []int{1},
	})
	return out[0], out[1]
}

// MSE is the mean squared difference of all elements, a scalar.
func (t *Tape) MSE(x, target *Var) *Var {
	return t.Apply(Op{
		Name: "mse", In: []*Var{x, target}, Out: []device.Shape{device.Scalar()},
		Forward: func(out, in []device.Tensor) { t.dev.MSE(out[0], in[0], in[1]) },
		Reverse: func(s Saved, dy []device.Tensor, dx []device.Into) {
			t.dev.MSEGrad(dx[0], dy[0], s.In[0], s.In[1])
			if dx[1].Mode != device.Skip {
				t.dev.MSEGrad(dx[1], dy[0], s.In[1], s.In[0]) // the difference the other way round
			}
		},
		SaveIn: []int{0, 1},
	})[0]
}

// Softmax turns logits into probabilities, over channels. It is for reading a
// network's answer and has no reverse step: DiceLoss contains its own softmax.
func (t *Tape) Softmax(logits *Var) *Var {
	return t.Apply(Op{
		Name: "softmax", In: []*Var{logits}, Out: []device.Shape{logits.Shape},
		Forward: func(out, in []device.Tensor) { t.dev.Softmax(out[0], in[0]) },
		InPlace: true,
	})[0]
}
