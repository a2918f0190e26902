package layers

import (
	"slices"

	"voxgrad/autograd"
	"voxgrad/device"
)

// Kinds of Norm.
const (
	Batch    = "batch"    // statistics of the batch in Train, running ones otherwise
	Instance = "instance" // each sample's own, always
)

// Norm normalises the channels of a tensor: a BatchNorm or an InstanceNorm.
type Norm interface {
	// Forward keeps the shape.
	Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var

	// convolved is the 3³ convolution named at of the normalised concatenation of sources.
	convolved(t *autograd.Tape, at string, in []autograd.Source, w, b *autograd.Var, act device.Act) *autograd.Var
}

// NewNorm makes a norm of a kind.
func NewNorm(kind string, s Scope, c int) Norm {
	if kind == Instance {
		return NewInstanceNorm(s, c)
	}
	return NewBatchNorm(s, c)
}

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

func (n *BatchNorm) convolved(t *autograd.Tape, at string, in []autograd.Source, w, b *autograd.Var, act device.Act) *autograd.Var {
	t.At(at)
	if n.s.Mode() == Train {
		return t.CatConvTrain(in, n.gamma, n.beta, n.runMean, n.runVar, normEps, normMomentum, w, b, act)
	}
	return t.CatConvEval(in, n.gamma, n.beta, n.runMean, n.runVar, normEps, w, b, act)
}

// InstanceNorm normalises each channel of each sample by its own mean and variance, in every
// mode, as torch.nn.InstanceNorm3d with affine=True: what nnU-Net has in place of batch
// normalisation. Samples do not depend on one another.
type InstanceNorm struct {
	s           Scope
	gamma, beta *autograd.Var
}

// NewInstanceNorm makes s.weight (1) and s.bias (0).
func NewInstanceNorm(s Scope, c int) *InstanceNorm {
	v := device.Vec(c)
	return &InstanceNorm{s, s.Param("weight", v, Vector, Constant(1)), s.Param("bias", v, Vector, Constant(0))}
}

// Forward keeps the shape. It is batch normalisation of one sample after another.
func (n *InstanceNorm) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	return t.EachSample(func(x []*autograd.Var) *autograd.Var {
		return t.At(n.s.path).BatchNormTrain(x[0], n.gamma, n.beta, device.Tensor{}, device.Tensor{}, normEps, 0)
	}, x)
}

func (n *InstanceNorm) convolved(t *autograd.Tape, at string, in []autograd.Source, w, b *autograd.Var, act device.Act) *autograd.Var {
	x := make([]*autograd.Var, len(in))
	for i, s := range in {
		x[i] = s.X
	}
	return t.EachSample(func(x []*autograd.Var) *autograd.Var {
		one := slices.Clone(in)
		for i := range one {
			one[i].X = x[i]
		}
		return t.At(at).CatConvTrain(one, n.gamma, n.beta, device.Tensor{}, device.Tensor{}, normEps, 0, w, b, act)
	}, x...)
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
