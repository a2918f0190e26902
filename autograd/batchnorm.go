package autograd

import "voxgrad/device"

// BatchNormTrain is batch normalisation with the statistics of x itself; the running
// ones are moved towards them, if there are any. gamma, beta, runMean, runVar: Vec(C).
func (t *Tape) BatchNormTrain(x, gamma, beta *Var, runMean, runVar device.Tensor, eps, momentum float64) *Var {
	out := t.Apply(Op{
		Name: "batchnorm", In: []*Var{x, gamma, beta},
		Out: []device.Shape{x.Shape}, Side: []device.Shape{device.Vec(x.C), device.Vec(x.C)}, // mean, 1/σ
		Forward: func(out, in []device.Tensor) {
			t.dev.BatchNormStats(out[1], out[2], in[0], runMean, runVar, eps, momentum)
			t.dev.BatchNormApply(out[0], in[0], in[1], in[2], out[1], out[2])
		},
		Reverse: func(s Saved, dy []device.Tensor, dx []device.Into) {
			t.dev.BatchNormGrad(dx[0], dx[1], dx[2], dy[0], s.In[0], s.In[1], s.Out[1], s.Out[2], false)
		},
		SaveIn: []int{0, 1}, SaveOut: []int{1, 2}, InPlace: true, GradInPlace: true,
	})
	t.Release(out[1])
	t.Release(out[2])
	return out[0]
}

// BatchNormEval is batch normalisation with given statistics, which it leaves as
// they are.
func (t *Tape) BatchNormEval(x, gamma, beta *Var, mean, variance device.Tensor, eps float64) *Var {
	out := t.Apply(Op{
		Name: "batchnorm", In: []*Var{x, gamma, beta},
		Out: []device.Shape{x.Shape}, Side: []device.Shape{device.Vec(x.C)}, // 1/σ
		Forward: func(out, in []device.Tensor) {
			t.dev.BatchNormInvStd(out[1], variance, eps)
			t.dev.BatchNormApply(out[0], in[0], in[1], in[2], mean, out[1])
		},
		Reverse: func(s Saved, dy []device.Tensor, dx []device.Into) {
			t.dev.BatchNormGrad(dx[0], dx[1], dx[2], dy[0], s.In[0], s.In[1], mean, s.Out[1], true)
		},
		SaveIn: []int{0, 1}, SaveOut: []int{1}, InPlace: true, GradInPlace: true,
	})
	t.Release(out[1])
	return out[0]
}
