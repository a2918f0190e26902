package device

// BatchNorm is batch normalisation, split so that training, evaluation and frozen
// statistics are combinations of the same four calls. All vectors are Vec(C).
type BatchNorm interface {
	// BatchNormStats, over the M = N·D·H·W values of each channel:
	//
	//	mean[c]   = Σ x / M
	//	var       = Σ (x − mean[c])² / M
	//	invstd[c] = 1/√(var + eps)
	//	runMean[c] = (1−momentum)·runMean[c] + momentum·mean[c]
	//	runVar[c]  = (1−momentum)·runVar[c]  + momentum·var·M/(M−1)
	//
	// The running tensors are changed in place; both may be none. With M = 1 the
	// running variance takes var itself.
	BatchNormStats(mean, invstd, x, runMean, runVar Tensor, eps, momentum float64)

	// BatchNormInvStd: invstd[c] = 1/√(variance[c] + eps)
	BatchNormInvStd(invstd, variance Tensor, eps float64)

	// BatchNormApply: y = (x − mean[c])·invstd[c]·gamma[c] + beta[c]. y may be x.
	BatchNormApply(y, x, gamma, beta, mean, invstd Tensor)

	// BatchNormGrad, with x̂ = (x − mean[c])·invstd[c]:
	//
	//	dbeta[c]  = Σ dy
	//	dgamma[c] = Σ dy·x̂
	//	dx = gamma[c]·invstd[c]·(dy − dbeta[c]/M − x̂·dgamma[c]/M)
	//
	// If fixed, the statistics did not depend on x (evaluation mode) and the two
	// subtracted terms are absent. dx may be dy with mode Set.
	BatchNormGrad(dx, dgamma, dbeta Into, dy, x, gamma, mean, invstd Tensor, fixed bool)
}

func (do Ops) BatchNormStats(mean, invstd, x, runMean, runVar Tensor, eps, momentum float64) {
	do(&Call{Op: "BatchNormStats",
		Args: []Arg{out("mean", &mean), out("invstd", &invstd), in("x", &x), optional(state("runMean", &runMean)), optional(state("runVar", &runVar))},
		Run:  func(b NetworkOps) { b.BatchNormStats(mean, invstd, x, runMean, runVar, eps, momentum) },
		rule: func(c *Call) {
			c.shaped(Vec(x.C), perChannel, "mean", "invstd", "runMean", "runVar")
			c.need(runMean.None() == runVar.None(), "one of runMean and runVar is absent")
		},
	})
}

const perChannel = "a value for each channel of x"

func (do Ops) BatchNormInvStd(invstd, variance Tensor, eps float64) {
	do(&Call{Op: "BatchNormInvStd", Args: []Arg{out("invstd", &invstd), in("variance", &variance)},
		Run:  func(b NetworkOps) { b.BatchNormInvStd(invstd, variance, eps) },
		rule: func(c *Call) { c.shaped(Vec(variance.C), "a vector", "invstd", "variance") },
	})
}

func (do Ops) BatchNormApply(y, x, gamma, beta, mean, invstd Tensor) {
	do(&Call{Op: "BatchNormApply",
		Args: []Arg{out("y", &y, &x), in("x", &x), in("gamma", &gamma), in("beta", &beta), in("mean", &mean), in("invstd", &invstd)},
		Run:  func(b NetworkOps) { b.BatchNormApply(y, x, gamma, beta, mean, invstd) },
		rule: func(c *Call) {
			c.shaped(x.Shape, "x's shape", "y")
			c.shaped(Vec(x.C), perChannel, "gamma", "beta", "mean", "invstd")
		},
	})
}

// BatchNormGrad counts one read of dy and x: a second one for dx is a matter of the
// device.
func (do Ops) BatchNormGrad(dx, dgamma, dbeta Into, dy, x, gamma, mean, invstd Tensor, fixed bool) {
	do(&Call{Op: "BatchNormGrad",
		Args: []Arg{grad("dx", &dx, &dy), grad("dgamma", &dgamma), grad("dbeta", &dbeta),
			in("dy", &dy), in("x", &x), in("gamma", &gamma), in("mean", &mean), in("invstd", &invstd)},
		Run: func(b NetworkOps) { b.BatchNormGrad(dx, dgamma, dbeta, dy, x, gamma, mean, invstd, fixed) },
		rule: func(c *Call) {
			c.shaped(x.Shape, "x's shape", "dx", "dy")
			c.shaped(Vec(x.C), perChannel, "dgamma", "dbeta", "gamma", "mean", "invstd")
		},
	})
}
