package models

import (
	"fmt"
	"math"
	"slices"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/layers"
)

// Net is one of the four networks on a device.
type Net struct {
	Config
	*layers.Net
	Preparation Preparation // of its input, as its weights file states; kept when it is saved

	body interface {
		encode(t *autograd.Tape, x []*autograd.Var) []*autograd.Var
		decode(t *autograd.Tape, f []*autograd.Var) *autograd.Var
	}
	encoder layers.Mode
}

// New builds a network with initial weights that depend on the seed and the
// parameters' names. It is in Train mode.
func New(dev device.Backend, c Config, seed uint64) (*Net, error) {
	n, err := build(dev, c)
	if err != nil {
		return nil, err
	}
	n.Init(seed)
	return n, nil
}

// build leaves the weights undefined.
func build(dev device.Backend, c Config) (*Net, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	n := &Net{Config: c, Net: layers.NewNet(dev)}
	enc, dec := n.Scope().Follow(&n.encoder), n.Scope()
	if c.Kind == Detector {
		n.body = newDetector(enc, dec, c)
	} else {
		n.body = newUnet(enc, dec, c)
	}
	return n, nil
}

// Forward runs the network on one image per time point, each [N D H W Cin], and
// returns [N D H W Cout]: logits (head softmax) or intensities (head linear).
// Extents must be multiples of Multiple (see CheckGrid).
func (n *Net) Forward(t *autograd.Tape, x ...*autograd.Var) *autograd.Var {
	if n.Norm == layers.Instance { // samples do not meet: taken apart once, and not in every layer
		return t.EachSample(func(x []*autograd.Var) *autograd.Var { return n.Decode(t, n.Encode(t, x...)) }, x...)
	}
	return n.Decode(t, n.Encode(t, x...))
}

// Encode is the encoder's part of Forward: the features of each time point, finest level first, that
// Decode makes the answer of. Each is to be used once, or held.
func (n *Net) Encode(t *autograd.Tape, x ...*autograd.Var) []*autograd.Var {
	if len(x) != n.TimePoints() {
		panic(fmt.Sprintf("models: %s takes %d images, got %d", article(n.Kind), n.TimePoints(), len(x)))
	}
	for _, v := range x {
		if err := CheckGrid(v.D, v.H, v.W); err != nil || v.C != n.Cin {
			panic(fmt.Sprintf("models: %s with %d input channels cannot take %v", article(n.Kind), n.Cin, v.Shape))
		}
	}
	return n.body.encode(t, x)
}

// Decode is the rest of Forward.
func (n *Net) Decode(t *autograd.Tape, features []*autograd.Var) *autograd.Var {
	return n.body.decode(t, features)
}

// SameEncoder reports whether the encoder of another network is this one's: on the same device, for as many
// images, with the same numbers to the bit, running statistics included. Encode is then the same in Eval mode.
func (n *Net) SameEncoder(o *Net) bool {
	if n.Net.Device() != o.Net.Device() || n.TimePoints() != o.TimePoints() || n.Cin != o.Cin {
		return false
	}
	a, b := n.encoderTensors(), o.encoderTensors()
	for name, x := range a {
		y, ok := b[name]
		if !ok || x.Shape != y.Shape || !n.equal(x, y) {
			return false
		}
	}
	return len(a) == len(b)
}

// encoderTensors are the encoder's parameters and buffers by name.
func (n *Net) encoderTensors() map[string]device.Tensor {
	all := map[string]device.Tensor{}
	for _, p := range n.Params() {
		if inEncoder(p.Name) {
			all[p.Name] = p.Tensor
		}
	}
	for _, b := range n.Buffers() {
		if inEncoder(b.Name) {
			all[b.Name] = b.Tensor
		}
	}
	return all
}

// equal compares bits.
func (n *Net) equal(x, y device.Tensor) bool {
	a, b := make([]float32, x.Len()), make([]float32, y.Len())
	n.Net.Device().Download(a, x)
	n.Net.Device().Download(b, y)
	return slices.EqualFunc(a, b, func(p, q float32) bool { return math.Float32bits(p) == math.Float32bits(q) })
}

// CheckGrid returns an error if a network cannot take images with these extents.
func CheckGrid(extents ...int) error {
	for _, e := range extents {
		if e < Multiple || e%Multiple != 0 {
			return fmt.Errorf("a patch of %v voxels does not fit the network: every extent must be a multiple of %d", extents, Multiple)
		}
	}
	return nil
}

// SetMode switches all layers but a frozen encoder's.
func (n *Net) SetMode(m layers.Mode) {
	n.Net.SetMode(m)
	if n.encoder != layers.Frozen {
		n.encoder = m
	}
}

// FreezeEncoder makes the encoder use its running statistics, without dropout,
// and want no gradients, for good. Do it before making the optimizer.
func (n *Net) FreezeEncoder() {
	n.encoder = layers.Frozen
	for _, p := range n.Params() {
		if inEncoder(p.Name) {
			p.SetWantsGrad(false)
		}
	}
}

// Spec is what the network takes and returns.
func (n *Net) Spec() Spec {
	return Spec{Name: n.Kind, Images: n.TimePoints(), Cin: n.Cin, Cout: n.Cout, Head: n.Head(), Multiple: Multiple, Preparation: n.Preparation}
}

func (n *Net) String() string {
	s := fmt.Sprintf("%s of width %d with %s up", article(n.Kind), n.Width, n.Up)
	if n.Norm == layers.Instance {
		s += " and instance norm"
	}
	return s
}

// EncoderFrozen reports whether FreezeEncoder was called.
func (n *Net) EncoderFrozen() bool { return n.encoder == layers.Frozen }

// Adam is an optimizer for the parameters that are trainable now.
func (n *Net) Adam(lr float64) *layers.Adam {
	return layers.NewAdam(n.Net.Device(), n.Net.Params(), lr)
}
