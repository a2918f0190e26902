package autograd

import "voxgrad/device"

// BatchNormTrain is batch normalisation with the statistics of x itself; the running
// ones are moved towards them. gamma, beta, runMean, runVar: Vec(C).
func (t *Tape) BatchNormTrain(x, gamma, beta *Var, runMean, runVar device.Tensor, eps, momentum float64) *Var {
	t.check(x, gamma, beta)
	mean, invstd := t.result(device.Vec(x.C)), t.result(device.Vec(x.C))
	t.dev.BatchNormStats(mean.Tensor, invstd.Tensor, x.Tensor, runMean, runVar, eps, momentum)
	return t.norm(x, gamma, beta, mean, invstd, false)
}

// BatchNormEval is batch normalisation with given statistics, which it leaves as
// they are.
func (t *Tape) BatchNormEval(x, gamma, beta *Var, mean, variance device.Tensor, eps float64) *Var {
	t.check(x, gamma, beta)
	invstd := t.result(device.Vec(x.C))
	t.dev.BatchNormInvStd(invstd.Tensor, variance, eps)
	return t.norm(x, gamma, beta, Input(mean), invstd, true)
}

func (t *Tape) norm(x, gamma, beta, mean, invstd *Var, fixed bool) *Var {
	var y *Var
	if t.wants(x, gamma, beta) {
		y = t.result(x.Shape)
		t.dev.BatchNormApply(y.Tensor, x.Tensor, gamma.Tensor, beta.Tensor, mean.Tensor, invstd.Tensor)
	} else {
		from := x.Tensor
		y = t.inPlace(x)
		t.dev.BatchNormApply(y.Tensor, from, gamma.Tensor, beta.Tensor, mean.Tensor, invstd.Tensor)
	}
	saved := []*Var{x, gamma, mean, invstd}
	y = t.done("norm", y, []*Var{x, gamma, beta}, saved, func(dy device.Tensor) {
		t.dev.BatchNormGrad(t.handOver(x, y), t.into(gamma), t.into(beta), dy, x.Tensor,
			gamma.Tensor, mean.Tensor, invstd.Tensor, fixed)
	})
	t.Release(mean)
	t.Release(invstd)
	return y
}
