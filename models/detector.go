package models

import (
	"voxgrad/autograd"
	"voxgrad/layers"
)

// detector finds what is new at time 2: one encoder sees each time point, the
// features of the two are fused level by level, and the decoder goes on as usual.
type detector struct {
	enc  *encoder
	fuse [levels + 1]*layers.CatConv // fuse1 … fuse4
	dec  *decoder
}

func newDetector(enc, dec layers.Scope, c Config) *detector {
	d := &detector{enc: newEncoder(enc, c)}
	for l := range d.fuse {
		at, ch := name("fuse", l+1), c.Width<<(l+1)
		norm := layers.NewBatchNorm(dec.In(at+"_bn"), 2*ch)
		d.fuse[l] = layers.NewCatConv(nil, norm, layers.NewConv(dec.In(at), 2*ch, ch, convReLU))
	}
	d.dec = newDecoder(dec, c)
	return d
}

func (d *detector) forward(t *autograd.Tape, x []*autograd.Var) *autograd.Var {
	a, b := d.enc.forward(t, x[0]), d.enc.forward(t, x[1])
	for l := range a {
		a[l] = d.fuse[l].Forward(t, a[l], b[l])
	}
	return d.dec.forward(t, a)
}
