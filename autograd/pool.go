package autograd

import "voxgrad/device"

// MaxPool halves the grid: the maximum of each 2³ block; a trailing odd plane is
// dropped.
func (t *Tape) MaxPool(x *Var) *Var {
	t.check(x)
	y := t.result(device.Shape{N: x.N, D: x.D / 2, H: x.H / 2, W: x.W / 2, C: x.C})
	t.dev.MaxPool(y.Tensor, x.Tensor)
	return t.done("maxpool", y, []*Var{x}, []*Var{x, y}, func(dy device.Tensor) {
		t.dev.MaxPoolGrad(t.into(x), dy, x.Tensor, y.Tensor)
	})
}
