package models

import (
	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/layers"
)

// decoder is the way up, shared by all models.
type decoder struct {
	up   [levels]*layers.Up        // up1, up2, up3
	norm [levels]*layers.BatchNorm // bn10, bn9, bn8
	conv [levels]*layers.Conv      // conv10, conv9, conv8
	out  *layers.Conv
}

func newDecoder(s layers.Scope, c Config) *decoder {
	d := new(decoder)
	w := c.Width
	below := 16 * w
	for l := levels - 1; l >= 0; l-- {
		skip := w << (l + 1)
		out := max(skip, 4*w) // conv10 keeps the 4w channels of conv9
		d.up[l] = layers.NewUp(s.In(name("up", l+1)), c.Up, below)
		d.norm[l] = layers.NewBatchNorm(s.In(name("bn", 10-l)), below+skip)
		d.conv[l] = layers.NewConv(s.In(name("conv", 10-l)), below+skip, out, convReLU)
		below = out
	}
	d.out = layers.NewConv(s.In("conv_out"), below, c.Cout, layers.ConvOptions{ConvParams: device.Conv3x3x3})
	return d
}

// forward takes the features of the levels, finest first, and gives logits or
// intensities on the full grid.
func (d *decoder) forward(t *autograd.Tape, f [levels + 1]*autograd.Var) *autograd.Var {
	x := f[levels]
	for l := levels - 1; l >= 0; l-- {
		x = t.Concat(d.up[l].Forward(t, x), f[l])
		x = d.conv[l].Forward(t, d.norm[l].Forward(t, x))
	}
	return d.out.Forward(t, x)
}
