package autograd

import "voxgrad/device"

// Conv is a convolution with an optional bias and an optional ReLU.
//
// x: [N D H W Cin]; w: Weights(K, Cin, Cout); b: Vec(Cout) or nil; result
// win.Out(x, Cout). With ReLU only the clipped result exists: its zeros are the
// places where the gradient stops.
func (t *Tape) Conv(x, w, b *Var, win device.ConvParams, act device.Act) *Var {
	t.check(x, w, b)
	y := t.result(win.Out(x.Shape, w.C))
	t.dev.Conv(y.Tensor, x.Tensor, w.Tensor, tensor(b), win, act)
	saved := []*Var{w, when(w.wants, x), when(act == device.ReLU, y)}
	return t.done("conv", y, []*Var{x, w, b}, saved, func(dy device.Tensor) {
		if act == device.ReLU {
			t.dev.ReLUGrad(device.Into{Tensor: dy, Mode: device.Set}, dy, y.Tensor)
		}
		t.dev.ConvGradX(t.into(x), dy, w.Tensor, win)
		t.dev.ConvGradW(t.into(w), t.into(b), x.Tensor, dy, win)
	})
}

// when is v if the condition holds: a value that reverse reads only then.
func when(cond bool, v *Var) *Var {
	if cond {
		return v
	}
	return nil
}
