package gradcheck_test

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/autograd/gradcheck"
	"voxgrad/device"
	"voxgrad/device/ref"
)

// The gradients of a convolution in its image, weights and bias.
func Example() {
	dev := ref.New[float64]()
	leaf := func(name string, s device.Shape) *autograd.Var {
		v := make([]float32, s.Len())
		for i := range v {
			v[i] = float32(i%7) - 2.9
		}
		x := autograd.Parameter(name, dev.Alloc(s))
		dev.Upload(x.Tensor, v)
		return x
	}
	x := leaf("x", device.Shape{N: 1, D: 3, H: 4, W: 5, C: 2})
	w, b := leaf("w", device.Weights(3, 2, 2)), leaf("b", device.Vec(2))
	err := gradcheck.Check(dev, func(t *autograd.Tape) *autograd.Var {
		return t.Conv(x, w, b, device.Conv3x3x3, device.ReLU)
	}, []*autograd.Var{x, w, b}, gradcheck.Options{})
	fmt.Println(err)
	// Output: <nil>
}
