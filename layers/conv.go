package layers

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
)

// ConvOptions are those of torch.nn.Conv3d and ConvTranspose3d.
type ConvOptions struct {
	device.ConvParams            // kernel K³, stride (0: 1) and zero padding
	NoBias            bool       // as bias=False
	Act               device.Act // Conv alone: applied to the result
	Weights           Init       // initial weights; nil: HeNormal
}

// Conv is a convolution, as torch.nn.Conv3d, with an activation.
type Conv struct {
	s    Scope
	p    device.ConvParams
	w, b *autograd.Var
	act  device.Act
}

// NewConv makes s.weight and, unless NoBias, s.bias, which starts at 0.
func NewConv(s Scope, cin, cout int, o ConvOptions) *Conv {
	o = o.checked(s, cin*o.K*o.K*o.K)
	c := &Conv{s: s, p: o.ConvParams, act: o.Act}
	c.w = s.Param("weight", device.Weights(o.K, cin, cout), ConvWeights, o.Weights)
	c.b = o.bias(s, cout)
	return c
}

// Forward is [N D H W Cin] → [N D' H' W' Cout], D' = ⌊(D + 2·Pad − K)/Stride⌋ + 1.
func (c *Conv) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	return t.At(c.s.path).Conv(x, c.w, c.b, c.p, c.act)
}

// ConvT is a transposed convolution, as torch.nn.ConvTranspose3d.
type ConvT struct {
	s    Scope
	p    device.ConvParams
	w, b *autograd.Var
}

// NewConvT makes s.weight and, unless NoBias, s.bias, which starts at 0.
func NewConvT(s Scope, cin, cout int, o ConvOptions) *ConvT {
	if o.Act != device.Linear {
		panic("layers: a transposed convolution has no activation: " + s.path)
	}
	fanIn := cin // of an output voxel, where windows do not overlap
	if o.Stride > 0 && o.K > o.Stride {
		n := (o.K + o.Stride - 1) / o.Stride
		fanIn *= n * n * n
	}
	o = o.checked(s, fanIn)
	c := &ConvT{s: s, p: o.ConvParams}
	c.w = s.Param("weight", device.Weights(o.K, cin, cout), ConvTWeights, o.Weights)
	c.b = o.bias(s, cout)
	return c
}

// Forward is [N D H W Cin] → [N D' H' W' Cout], D' = (D − 1)·Stride − 2·Pad + K.
func (c *ConvT) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	return t.At(c.s.path).ConvT(x, c.w, c.b, c.p)
}

func (o ConvOptions) checked(s Scope, fanIn int) ConvOptions {
	if o.Stride == 0 {
		o.Stride = 1
	}
	if o.K < 1 || o.Stride < 1 || o.Pad < 0 {
		panic(fmt.Sprintf("layers: %s: kernel %d, stride %d, padding %d is no convolution", s.path, o.K, o.Stride, o.Pad))
	}
	if o.Weights == nil {
		o.Weights = HeNormal(fanIn, o.Act == device.ReLU)
	}
	return o
}

func (o ConvOptions) bias(s Scope, cout int) *autograd.Var {
	if o.NoBias {
		return nil
	}
	return s.Param("bias", device.Vec(cout), Vector, Constant(0))
}

// Kinds of Up.
const (
	Transposed = "transposed"
	Trilinear  = "trilinear"
)

// Up doubles the grid and keeps the channels, in one of two ways: a transposed
// 2³ convolution with stride 2 and bias, or trilinear interpolation, which has no
// weights.
type Up struct {
	s     Scope
	convT *ConvT // nil: trilinear
}

// NewUp makes s.weight and s.bias for Transposed, nothing for Trilinear.
func NewUp(s Scope, kind string, c int) *Up {
	switch kind {
	case Trilinear:
		return &Up{s: s}
	case Transposed:
		return &Up{s: s, convT: NewConvT(s, c, c, ConvOptions{ConvParams: device.ConvT2x2x2})}
	}
	panic("layers: there is no up called " + kind)
}

// Forward is [N D H W C] → [N 2D 2H 2W C].
func (u *Up) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	if u.convT != nil {
		return u.convT.Forward(t, x)
	}
	return t.At(u.s.path).Upsample(x)
}
