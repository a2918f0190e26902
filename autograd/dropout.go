package autograd

import "voxgrad/device"

// Dropout sets each element to zero with probability p and divides the others
// by 1−p. The numbers are a function of key and position alone, so the reverse
// step draws them again and nothing is kept.
func (t *Tape) Dropout(x *Var, p float64, key uint64) *Var {
	t.check(x)
	from := x.Tensor
	y := t.inPlace(x)
	t.dev.Dropout(y.Tensor, from, p, key)
	return t.done("dropout", y, []*Var{x}, nil, func(dy device.Tensor) {
		t.dev.DropoutGrad(t.handOver(x, y), dy, p, key)
	})
}
