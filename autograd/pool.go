package autograd

import "voxgrad/device"

// MaxPool halves the grid: the maximum of each 2³ block; a trailing odd plane is
// dropped.
func (t *Tape) MaxPool(x *Var) *Var {
	return t.Apply(Op{
		Name: "maxpool", In: []*Var{x}, Out: []device.Shape{{N: x.N, D: x.D / 2, H: x.H / 2, W: x.W / 2, C: x.C}},
		Forward: func(out, in []device.Tensor) { t.dev.MaxPool(out[0], in[0]) },
		Reverse: func(s Saved, dy []device.Tensor, dx []device.Into) {
			t.dev.MaxPoolGrad(dx[0], dy[0], s.In[0], s.Out[0])
		},
		SaveIn: []int{0}, SaveOut: []int{0}, Masked: []int{0},
	})[0]
}
