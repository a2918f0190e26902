package autograd

import "voxgrad/device"

// Dropout sets each element to zero with probability p and divides the others
// by 1−p. The numbers are a function of key (see RandomKey) and position alone, so
// the reverse step draws them again and nothing is kept.
func (t *Tape) Dropout(x *Var, p float64, key uint64) *Var {
	return t.Apply(Op{
		Name: "dropout", In: []*Var{x}, Out: []device.Shape{x.Shape},
		Forward: func(out, in []device.Tensor) { t.dev.Dropout(out[0], in[0], p, key) },
		Reverse: func(_ Saved, dy []device.Tensor, dx []device.Into) { t.dev.DropoutGrad(dx[0], dy[0], p, key) },
		InPlace: true, GradInPlace: true,
	})[0]
}
