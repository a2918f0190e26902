package models

import (
	"voxgrad/autograd"
	"voxgrad/layers"
)

// unet is an encoder and a decoder: the segmenter, the inpainter and the
// generator, which differ in their channels and in what they are trained for.
type unet struct {
	enc *encoder
	dec *decoder
}

func newUnet(enc, dec layers.Scope, c Config) *unet {
	return &unet{enc: newEncoder(enc, c), dec: newDecoder(dec, c)}
}

func (u *unet) forward(t *autograd.Tape, x []*autograd.Var) *autograd.Var {
	return u.dec.forward(t, u.enc.forward(t, x[0]))
}
