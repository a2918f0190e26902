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
	var mode layers.Mode // Train
	net := layers.NewNet(dev)
	s := net.Scope(&mode).In("block")
	conv := layers.NewConv(s.In("conv"), 1, 4, device.ReLU)
	norm := layers.NewBatchNorm(s.In("bn"), 4)
	net.Init(1)
	for _, p := range net.Params {
		fmt.Println(p)
	}
	for _, b := range net.Buffers {
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
