package autograd

import "voxgrad/device"

// ConvT is a transposed convolution with an optional bias.
//
// x: [N D H W Cin]; w: Weights(K, Cin, Cout); b: Vec(Cout) or nil; result
// p.OutT(x, Cout).
func (t *Tape) ConvT(x, w, b *Var, p device.ConvParams) *Var {
	weights := t.wants([]*Var{w, b})
	return t.Apply(Op{
		Name: "convt", In: []*Var{x, w, b}, Out: []device.Shape{p.OutT(x.Shape, w.C)},
		Forward: func(out, in []device.Tensor) { t.dev.ConvT(out[0], in[0], in[1], in[2], p) },
		Reverse: func(s Saved, dy []device.Tensor, dx []device.Into) {
			t.dev.ConvTGradX(dx[0], dy[0], s.In[1], p)
			if weights {
				t.dev.ConvTGradW(dx[1], dx[2], s.In[0], dy[0], p)
			}
		},
		SaveIn: append(when(weights, 0), 1),
	})[0]
}
