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

// BatchNorm is batch normalisation, as torch.nn.BatchNorm3d: statistics of the
// batch in Train, running ones otherwise.
type BatchNorm struct {
	s               Scope
	gamma, beta     *autograd.Var
	runMean, runVar device.Tensor
}

// NewBatchNorm makes s.weight (1), s.bias (0), s.running_mean (0), s.running_var (1).
func NewBatchNorm(s Scope, c int) *BatchNorm {
	v := device.Vec(c)
	return &BatchNorm{
		s:       s,
		gamma:   s.Param("weight", v, Vector, Constant(1)),
		beta:    s.Param("bias", v, Vector, Constant(0)),
		runMean: s.Buffer("running_mean", v, Vector, Constant(0)),
		runVar:  s.Buffer("running_var", v, Vector, Constant(1)),
	}
}

// Forward keeps the shape.
func (n *BatchNorm) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	t.At(n.s.path)
	if n.s.Mode() == Train {
		return t.BatchNormTrain(x, n.gamma, n.beta, n.runMean, n.runVar, normEps, normMomentum)
	}
	return t.BatchNormEval(x, n.gamma, n.beta, n.runMean, n.runVar, normEps)
}

// Dropout sets single elements to zero in Train and does nothing otherwise.
type Dropout struct {
	s Scope
	p float64
}

// NewDropout drops each element with probability p in [0, 1).
func NewDropout(s Scope, p float64) *Dropout { return &Dropout{s: s, p: p} }

// Forward draws under the tape's RandomKey of the layer's path.
func (d *Dropout) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	if d.p == 0 || d.s.Mode() != Train {
		return x
	}
	return t.At(d.s.path).Dropout(x, d.p, t.RandomKey("dropout", d.s.path))
}
