package layers

import (
	"voxgrad/autograd"
	"voxgrad/device"
)

// Fuse makes one feature map of two, of the same place at two times:
// ReLU(conv(norm(cat(a, b)))), 2·C channels to C.
type Fuse struct {
	norm *BatchNorm
	conv *Conv
}

// NewFuse makes a norm at path s + "_bn" and a convolution at s.
func NewFuse(s Scope, name string, c int) *Fuse {
	return &Fuse{
		norm: NewBatchNorm(s.In(name+"_bn"), 2*c),
		conv: NewConv(s.In(name), 2*c, c, device.ReLU),
	}
}

// Forward: a and b, both [N D H W C] → [N D H W C].
func (f *Fuse) Forward(t *autograd.Tape, a, b *autograd.Var) *autograd.Var {
	return f.conv.Forward(t, f.norm.Forward(t, t.Concat(a, b)))
}
