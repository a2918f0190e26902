package models

import (
	"voxgrad/autograd"
	"voxgrad/layers"
)

// detector finds what is new at time 2: one encoder sees each time point, the
// features of the two are fused level by level, and the decoder goes on as usual.
type detector struct {
	enc  *encoder
	fuse [levels + 1]*fuse // fuse1 … fuse4
	dec  *decoder
}

func newDetector(enc, dec layers.Scope, c Config) *detector {
	d := &detector{enc: newEncoder(enc, c)}
	for l := range d.fuse {
		d.fuse[l] = newFuse(dec, name("fuse", l+1), c.Width<<(l+1))
	}
	d.dec = newDecoder(dec, c)
	return d
}

func (d *detector) forward(t *autograd.Tape, x []*autograd.Var) *autograd.Var {
	a, b := d.enc.forward(t, x[0]), d.enc.forward(t, x[1])
	for l := range a {
		a[l] = d.fuse[l].forward(t, a[l], b[l])
	}
	return d.dec.forward(t, a)
}

// fuse makes one feature map of two, of the same place at two times:
// ReLU(conv(norm(cat(a, b)))), 2·C channels to C.
type fuse struct {
	norm *layers.BatchNorm
	conv *layers.Conv
}

// newFuse makes a norm at path s.name_bn and a convolution at s.name.
func newFuse(s layers.Scope, name string, c int) *fuse {
	return &fuse{
		norm: layers.NewBatchNorm(s.In(name+"_bn"), 2*c),
		conv: layers.NewConv(s.In(name), 2*c, c, convReLU),
	}
}

// forward: a and b, both [N D H W C] → [N D H W C].
func (f *fuse) forward(t *autograd.Tape, a, b *autograd.Var) *autograd.Var {
	return f.conv.Forward(t, f.norm.Forward(t, t.Concat(a, b)))
}
