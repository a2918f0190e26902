package autograd

import "voxgrad/device"

// ConvT is a transposed convolution with an optional bias.
//
// x: [N D H W Cin]; w: Weights(K, Cin, Cout); b: Vec(Cout) or nil; result
// win.OutT(x, Cout).
func (t *Tape) ConvT(x, w, b *Var, win device.ConvParams) *Var {
	t.check(x, w, b)
	y := t.result(win.OutT(x.Shape, w.C))
	t.dev.ConvT(y.Tensor, x.Tensor, w.Tensor, tensor(b), win)
	return t.done("convt", y, []*Var{x, w, b}, []*Var{w, when(w.wants, x)}, func(dy device.Tensor) {
		t.dev.ConvTGradX(t.into(x), dy, w.Tensor, win)
		t.dev.ConvTGradW(t.into(w), t.into(b), x.Tensor, dy, win)
	})
}
