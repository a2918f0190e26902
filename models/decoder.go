package models

import (
	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/layers"
)

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
		norm := layers.NewBatchNorm(s.In(name("bn", 10-l)), below+skip)
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
