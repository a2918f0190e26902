package layers

import (
	"voxgrad/autograd"
	"voxgrad/device"
)

// Kinds of Up.
const (
	Transposed = "transposed"
	Trilinear  = "trilinear"
)

// Up doubles the grid and keeps the channels, in one of two ways: a transposed
// 2³ convolution with stride 2 and bias, or trilinear interpolation, which has no
// weights.
type Up struct {
	path string
	w, b *autograd.Var // nil: trilinear
}

// NewUp makes s.weight and s.bias for Transposed, nothing for Trilinear.
// Weights start normal with variance 1/c (each output voxel has c inputs).
func NewUp(s Scope, kind string, c int) *Up {
	switch kind {
	case Trilinear:
		return &Up{path: s.path}
	case Transposed:
		return &Up{
			path: s.path,
			w:    s.normal("weight", device.Weights(device.ConvT2x2x2.K, c, c), ConvTWeights, he(c, false)),
			b:    s.constant("bias", device.Vec(c), 0),
		}
	}
	panic("layers: there is no up called " + kind)
}

// Forward: [N D H W C] → [N 2D 2H 2W C].
func (u *Up) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	t.At(u.path)
	if u.w == nil {
		return t.Upsample(x)
	}
	return t.ConvT(x, u.w, u.b, device.ConvT2x2x2)
}
