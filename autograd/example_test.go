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

// leaky is an operation of another package: x where x > 0, slope·x elsewhere, made
// of operations that every device has. Its reverse step reads x.
func leaky(t *autograd.Tape, x *autograd.Var, slope float64) *autograd.Var {
	dev := t.Device()
	// to: what v becomes where x > 0, and slope·v elsewhere.
	pass := func(to device.Into, v, x device.Tensor) {
		positive := dev.Alloc(v.Shape)
		defer dev.Free(positive)
		dev.ReLUGrad(device.Into{Tensor: positive, Mode: device.Set}, v, x)
		dev.Blend(positive, positive, v, 1-slope, slope)
		dev.Copy(to, positive)
	}
	return t.Apply(autograd.Op{
		Name: "leaky", In: []*autograd.Var{x}, Out: []device.Shape{x.Shape},
		Forward: func(out, in []device.Tensor) {
			pass(device.Into{Tensor: out[0], Mode: device.Set}, in[0], in[0])
		},
		Reverse: func(s autograd.Saved, dy []device.Tensor, dx []device.Into) {
			pass(dx[0], dy[0], s.In[0])
		},
		SaveIn: []int{0},
	})[0]
}

// An operation of one's own.
func ExampleOp() {
	dev := ref.New[float32]()
	x := autograd.Parameter("x", dev.Alloc(device.Vec(3)))
	dev.Upload(x.Tensor, []float32{-2, 1, 4})

	t := autograd.New(dev, 0)
	defer t.Close()
	y := leaky(t, x, 0.25)
	fmt.Println(t.Value(y))
	t.BackwardFrom(y, x.Tensor) // any tensor of y's shape may be its gradient
	fmt.Println(dev.Data(x.Grad()))
	// Output:
	// [-0.5 1 4]
	// [-0.5 1 4]
}
