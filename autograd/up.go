package autograd

import "voxgrad/device"

// Upsample doubles the grid by trilinear interpolation (align_corners = false).
func (t *Tape) Upsample(x *Var) *Var {
	return t.Apply(Op{
		Name: "upsample", In: []*Var{x}, Out: []device.Shape{{N: x.N, D: 2 * x.D, H: 2 * x.H, W: 2 * x.W, C: x.C}},
		Forward: func(out, in []device.Tensor) { t.dev.Upsample(out[0], in[0]) },
		Reverse: func(_ Saved, dy []device.Tensor, dx []device.Into) { t.dev.UpsampleGrad(dx[0], dy[0]) },
	})[0]
}
