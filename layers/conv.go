package layers

import (
	"voxgrad/autograd"
	"voxgrad/device"
)

// Conv is a 3³ convolution with bias that keeps the grid, and an optional ReLU.
type Conv struct {
	path string
	w, b *autograd.Var
	act  device.Act
}

// NewConv makes s.weight and s.bias. Weights start He-normal, for a ReLU if act
// is one, the bias at 0.
func NewConv(s Scope, cin, cout int, act device.Act) *Conv {
	win := device.Conv3x3x3
	std := he(win.K*win.K*win.K*cin, act == device.ReLU)
	return &Conv{
		path: s.path,
		w:    s.normal("weight", device.Weights(win.K, cin, cout), ConvWeights, std),
		b:    s.constant("bias", device.Vec(cout), 0),
		act:  act,
	}
}

// Forward: [N D H W Cin] → [N D H W Cout].
func (c *Conv) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	return t.At(c.path).Conv(x, c.w, c.b, device.Conv3x3x3, c.act)
}
