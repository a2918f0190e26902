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
		norm := layers.NewBatchNorm(s.In(name("bn", a)), mid)
		e.second[l] = layers.NewCatConv(nil, norm, layers.NewConv(s.In(name("conv", b)), mid, 2*mid, convReLU))
		e.drop[l] = layers.NewDropout(s.In(name("dropout", b)), c.Dropout)
		next := 2 * mid
		if l == levels-1 {
			next = 4 * mid // conv7
		}
		norm = layers.NewBatchNorm(s.In(name("bn", b)), 2*mid)
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
