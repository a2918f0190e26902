package autograd

import "voxgrad/device"

// Conv is a convolution with an optional bias and an optional ReLU.
//
// x: [N D H W Cin]; w: Weights(K, Cin, Cout); b: Vec(Cout) or nil; result
// p.Out(x, Cout). With ReLU only the clipped result exists: its zeros are the
// places where the gradient stops.
func (t *Tape) Conv(x, w, b *Var, p device.ConvParams, act device.Act) *Var {
	weights := t.wants([]*Var{w, b})
	return t.Apply(Op{
		Name: "conv", In: []*Var{x, w, b}, Out: []device.Shape{p.Out(x.Shape, w.C)},
		Forward: func(out, in []device.Tensor) { t.dev.Conv(out[0], in[0], in[1], in[2], p, act) },
		Reverse: func(s Saved, dy []device.Tensor, dx []device.Into) {
			t.dev.ConvGradX(dx[0], dy[0], s.In[1], p)
			if weights {
				t.dev.ConvGradW(dx[1], dx[2], s.In[0], dy[0], p)
			}
		},
		SaveIn: append(when(weights, 0), 1), SaveOut: when(act == device.ReLU, 0), ReLU: act == device.ReLU, Masked: []int{0},
	})[0]
}
