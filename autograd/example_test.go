package autograd_test

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/ref"
)

// The slope of (w·x − 1)² at w = 3, x = 2.
func Example() {
	dev := ref.New[float32]()
	scalar := func(v float32) device.Tensor {
		x := dev.Alloc(device.Scalar())
		dev.Fill(x, v)
		return x
	}
	x, target := autograd.Input(scalar(2)), autograd.Input(scalar(1))
	w := autograd.Parameter("w", scalar(3))

	t := autograd.New(dev, 0)
	defer t.Close()
	y := t.Conv(x, w, nil, device.ConvParams{K: 1, Stride: 1}, device.Linear)
	loss := t.MSE(y, target)
	t.Backward(loss)
	fmt.Println(t.Value(loss), dev.Data(w.Grad()))
	// Output: [25] [20]
}
