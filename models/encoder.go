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
	first, second [levels]*layers.Conv      // conv1, conv3, conv5; conv2, conv4, conv6
	mid, below    [levels]*layers.BatchNorm // bn1, bn3, bn5; bn2, bn4, bn6
	drop          [levels]*layers.Dropout
	bottom        *layers.Conv // conv7
}

const levels = 3

// convReLU is the convolution of all layers but the last: 3³, same grid.
var convReLU = layers.ConvOptions{ConvParams: device.Conv3x3x3, Act: device.ReLU}

// Multiple is what a grid's extents must be multiples of.
const Multiple = 1 << levels

func newEncoder(s layers.Scope, c Config) *encoder {
	e := new(encoder)
	in := c.Cin
	for l := range levels {
		a, b := 2*l+1, 2*l+2
		mid, out := c.Width<<l, c.Width<<(l+1)
		e.first[l] = layers.NewConv(s.In(name("conv", a)), in, mid, convReLU)
		e.mid[l] = layers.NewBatchNorm(s.In(name("bn", a)), mid)
		e.second[l] = layers.NewConv(s.In(name("conv", b)), mid, out, convReLU)
		e.drop[l] = layers.NewDropout(s.In(name("dropout", b)), c.Dropout)
		e.below[l] = layers.NewBatchNorm(s.In(name("bn", b)), out)
		in = out
	}
	e.bottom = layers.NewConv(s.In("conv7"), in, 2*in, convReLU)
	return e
}

// forward gives the features of the levels, finest first. The skip is taken
// before pooling, dropout and norm.
func (e *encoder) forward(t *autograd.Tape, x *autograd.Var) (f [levels + 1]*autograd.Var) {
	for l := range levels {
		x = e.mid[l].Forward(t, e.first[l].Forward(t, x))
		f[l] = e.second[l].Forward(t, x)
		x = t.MaxPool(t.Hold(f[l]))
		x = e.below[l].Forward(t, e.drop[l].Forward(t, x))
	}
	f[levels] = e.bottom.Forward(t, x)
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
