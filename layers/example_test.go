package layers_test

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/layers"
)

// A network of one block: the path of a layer is the name of its parameters.
func Example() {
	dev := ref.New[float32]()
	net := layers.NewNet(dev)
	s := net.Scope().In("block")
	conv := layers.NewConv(s.In("conv"), 1, 4, layers.ConvOptions{ConvParams: device.Conv3x3x3, Act: device.ReLU})
	norm := layers.NewBatchNorm(s.In("bn"), 4)
	net.Init(1)
	for _, p := range net.Params() {
		fmt.Println(p)
	}
	for _, b := range net.Buffers() {
		fmt.Println(b.Name)
	}

	x := dev.Alloc(device.Shape{N: 1, D: 3, H: 3, W: 3, C: 1})
	dev.Fill(x, 1)
	t := autograd.New(dev, 0)
	defer t.Close()
	fmt.Println(norm.Forward(t, conv.Forward(t, autograd.Input(x))).Shape)
	// Output:
	// block.conv.weight [4 1 3 3 3]
	// block.conv.bias [4]
	// block.bn.weight [4]
	// block.bn.bias [4]
	// block.bn.running_mean
	// block.bn.running_var
	// [1 3 3 3 4]
}

// standardize is a layer of another package: it brings each channel to mean 0 and
// variance 1 by figures that are stored with the network, and learns a gain and an offset.
type standardize struct {
	scope          layers.Scope
	gain, offset   *autograd.Var
	mean, variance device.Tensor
}

func newStandardize(s layers.Scope, c int, mean, variance float32) *standardize {
	v := device.Vec(c)
	return &standardize{
		scope:    s,
		gain:     s.Param("gain", v, layers.Vector, layers.Constant(1)),
		offset:   s.Param("offset", v, layers.Vector, layers.Constant(0)),
		mean:     s.Buffer("mean", v, layers.Vector, layers.Constant(mean)),
		variance: s.Buffer("variance", v, layers.Vector, layers.Constant(variance)),
	}
}

// Forward keeps the shape.
func (l *standardize) Forward(t *autograd.Tape, x *autograd.Var) *autograd.Var {
	return t.At(l.scope.Path()).BatchNormEval(x, l.gain, l.offset, l.mean, l.variance, 0)
}

// A layer of one's own makes its parameters and buffers in the scope that it is given.
func ExampleScope() {
	dev := ref.New[float32]()
	net := layers.NewNet(dev)
	layer := newStandardize(net.Scope().In("input"), 2, 10, 4)
	net.Init(1)
	for _, p := range net.Params() {
		fmt.Println(p)
	}

	x := dev.Alloc(device.Vec(2))
	dev.Upload(x, []float32{8, 14})
	t := autograd.NewInference(dev)
	defer t.Close()
	fmt.Println(t.Value(layer.Forward(t, autograd.Input(x))))
	// Output:
	// input.gain [2]
	// input.offset [2]
	// [-1 2]
}
