package autograd

import "voxgrad/device"

// Concat joins the channels of a and b, a first.
func (t *Tape) Concat(a, b *Var) *Var {
	t.check(a, b)
	y := t.result(a.WithC(a.C + b.C))
	t.dev.Concat(y.Tensor, a.Tensor, b.Tensor)
	return t.done("concat", y, []*Var{a, b}, nil, func(dy device.Tensor) {
		t.dev.Split(t.into(a), t.into(b), dy)
	})
}
