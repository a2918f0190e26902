package layers

import (
	"voxgrad/autograd"
	"voxgrad/device"
)

// PyTorch's defaults.
const (
	normEps      = 1e-5
	normMomentum = 0.1
)

// BatchNorm is batch normalisation: statistics of the batch in Train, running ones
// otherwise.
type BatchNorm struct {
	path            string
	gamma, beta     *autograd.Var
	runMean, runVar device.Tensor
	mode            *Mode
}

// NewBatchNorm makes s.weight (1), s.bias (0), s.running_mean (0), s.running_var (1).
func NewBatchNorm(s Scope, c int) *BatchNorm {
	v := device.Vec(c)
	return &BatchNorm{
		path:    s.path,
		gamma:   s.constant("weight", v, 1),
		beta:    s.constant("bias", v, 0),
		runMean: s.buffer("running_mean", v, 0),
		runVar:  s.buffer("running_var", v, 1),
		mode:    s.mode,
	}
}

// Forward keeps the shape.
func (n *BatchNorm) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	t.At(n.path)
	if *n.mode == Train {
		return t.BatchNormTrain(x, n.gamma, n.beta, n.runMean, n.runVar, normEps, normMomentum)
	}
	return t.BatchNormEval(x, n.gamma, n.beta, n.runMean, n.runVar, normEps)
}
