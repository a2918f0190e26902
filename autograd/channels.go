package autograd

import "voxgrad/device"

// Concat joins the channels of a and b, a first.
func (t *Tape) Concat(a, b *Var) *Var {
	return t.Apply(Op{
		Name: "concat", In: []*Var{a, b}, Out: []device.Shape{a.WithC(a.C + b.C)},
		Forward: func(out, in []device.Tensor) { t.dev.Concat(out[0], in[0], in[1]) },
		Reverse: func(_ Saved, dy []device.Tensor, dx []device.Into) { t.dev.Split(dx[0], dx[1], dy[0]) },
	})[0]
}
