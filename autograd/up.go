package autograd

import "voxgrad/device"

// Upsample doubles the grid by trilinear interpolation (align_corners = false).
func (t *Tape) Upsample(x *Var) *Var {
	t.check(x)
	y := t.result(device.Shape{N: x.N, D: 2 * x.D, H: 2 * x.H, W: 2 * x.W, C: x.C})
	t.dev.Upsample(y.Tensor, x.Tensor)
	return t.done("upsample", y, []*Var{x}, nil, func(dy device.Tensor) {
		t.dev.UpsampleGrad(t.into(x), dy)
	})
}
