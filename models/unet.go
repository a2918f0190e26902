package models

import (
	"fmt"
	"strings"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/layers"
)

// encoder is the way down, shared by all models. Features come from four
// levels: 2w, 4w, 8w and 16w channels on the full, half, quarter and eighth grid.
type encoder struct {
	first  *layers.Conv            // conv1
	second [levels]*layers.CatConv // bn1 conv2, bn3 conv4, bn5 conv6
	drop   [levels]*layers.Dropout
	below  [levels]*layers.CatConv // bn2 conv3, bn4 conv5, bn6 conv7
}

const levels = 3

// convReLU is the convolution of all layers but the last: 3³, same grid.
var convReLU = layers.ConvOptions{ConvParams: device.Conv3x3x3, Act: device.ReLU}

// Multiple is what a grid's extents must be multiples of.
const Multiple = 1 << levels

func newEncoder(s layers.Scope, c Config) *encoder {
	e := new(encoder)
	w := c.Width
	e.first = layers.NewConv(s.In("conv1"), c.Cin, w, convReLU)
	for l := range levels {
		a, b := 2*l+1, 2*l+2
		mid := w << l
		norm := layers.NewNorm(c.Norm, s.In(name("bn", a)), mid)
		e.second[l] = layers.NewCatConv(nil, norm, layers.NewConv(s.In(name("conv", b)), mid, 2*mid, convReLU))
		e.drop[l] = layers.NewDropout(s.In(name("dropout", b)), c.Dropout)
		next := 2 * mid
		if l == levels-1 {
			next = 4 * mid // conv7
		}
		norm = layers.NewNorm(c.Norm, s.In(name("bn", b)), 2*mid)
		e.below[l] = layers.NewCatConv(nil, norm, layers.NewConv(s.In(name("conv", b+1)), 2*mid, next, convReLU))
	}
	return e
}

// forward returns the features of the levels, finest first. The skip is taken
// before pooling, dropout and norm.
func (e *encoder) forward(t *autograd.Tape, x *autograd.Var) (f [levels + 1]*autograd.Var) {
	x = e.first.Forward(t, x)
	for l := range levels {
		f[l] = e.second[l].Forward(t, x)
		x = t.MaxPool(t.Hold(f[l]))
		x = e.below[l].Forward(t, e.drop[l].Forward(t, x))
	}
	f[levels] = x
	return f
}

func name(kind string, i int) string { return fmt.Sprint(kind, i) }

// inEncoder reports whether a parameter or buffer belongs to the encoder:
// conv1 … conv7, bn1 … bn6.
func inEncoder(name string) bool {
	layer, _, _ := strings.Cut(name, ".")
	for i := 1; i <= 2*levels+1; i++ {
		if layer == fmt.Sprint("conv", i) || layer == fmt.Sprint("bn", i) {
			return true
		}
	}
	return false
}

// decoder is the way up, shared by all models.
type decoder struct {
	up  [levels]*layers.CatConv // up1 bn10 conv10, up2 bn9 conv9, up3 bn8 conv8
	out *layers.Conv
}

func newDecoder(s layers.Scope, c Config) *decoder {
	d := new(decoder)
	w := c.Width
	below := 16 * w
	for l := levels - 1; l >= 0; l-- {
		skip := w << (l + 1)
		out := max(skip, 4*w) // conv10 keeps the 4w channels of conv9
		up := layers.NewUp(s.In(name("up", l+1)), c.Up, below)
		norm := layers.NewNorm(c.Norm, s.In(name("bn", 10-l)), below+skip)
		d.up[l] = layers.NewCatConv(up, norm, layers.NewConv(s.In(name("conv", 10-l)), below+skip, out, convReLU))
		below = out
	}
	d.out = layers.NewConv(s.In("conv_out"), below, c.Cout, layers.ConvOptions{ConvParams: device.Conv3x3x3})
	return d
}

// forward takes the features of the levels, finest first, and returns logits or
// intensities on the full grid.
func (d *decoder) forward(t *autograd.Tape, f [levels + 1]*autograd.Var) *autograd.Var {
	x := f[levels]
	for l := levels - 1; l >= 0; l-- {
		x = d.up[l].Forward(t, x, f[l])
	}
	return d.out.Forward(t, x)
}

// unet is an encoder and a decoder: the segmenter, the inpainter and the
// generator, which differ in their channels and in what they are trained for.
type unet struct {
	enc *encoder
	dec *decoder
}

func newUnet(enc, dec layers.Scope, c Config) *unet {
	return &unet{enc: newEncoder(enc, c), dec: newDecoder(dec, c)}
}

func (u *unet) encode(t *autograd.Tape, x []*autograd.Var) []*autograd.Var {
	f := u.enc.forward(t, x[0])
	return f[:]
}

func (u *unet) decode(t *autograd.Tape, f []*autograd.Var) *autograd.Var {
	return u.dec.forward(t, [levels + 1]*autograd.Var(f))
}

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
		norm := layers.NewNorm(c.Norm, dec.In(at+"_bn"), 2*ch)
		d.fuse[l] = layers.NewCatConv(nil, norm, layers.NewConv(dec.In(at), 2*ch, ch, convReLU))
	}
	d.dec = newDecoder(dec, c)
	return d
}

func (d *detector) encode(t *autograd.Tape, x []*autograd.Var) []*autograd.Var {
	a, b := d.enc.forward(t, x[0]), d.enc.forward(t, x[1])
	return append(a[:], b[:]...)
}

func (d *detector) decode(t *autograd.Tape, f []*autograd.Var) *autograd.Var {
	var fused [levels + 1]*autograd.Var
	for l := range fused {
		fused[l] = d.fuse[l].Forward(t, f[l], f[levels+1+l])
	}
	return d.dec.forward(t, fused)
}
