// Command customop is an op of one's own, as a package outside the framework makes it: kernels in prelu.cu, compiled to the
// committed PTX by "go run ./tools/ptx -dir examples/customop"; the op with its reverse step in prelu.go; and its
// conformance to a plain loop, its gradient check and its benchmark in prelu_test.go. It fits a slope on a GPU, or on the
// emulator where there is none.
package main

import (
	"fmt"
	"log"

	"voxgrad/autograd"
	"voxgrad/cuda"
	"voxgrad/cuda/emu"
	"voxgrad/cuda/gpu"
	"voxgrad/device"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func open() (*cuda.Backend, error) {
	if gpu.Available() != nil {
		return cuda.New(emu.New())
	}
	d, err := gpu.Open(0)
	if err != nil {
		return nil, err
	}
	return cuda.New(d)
}

func run() error {
	dev, err := open()
	if err != nil {
		return err
	}
	ops, err := New(dev)
	if err != nil {
		return err
	}
	tensor := func(v ...float32) device.Tensor {
		x := dev.Alloc(device.Vec(len(v)))
		dev.Upload(x, v)
		return x
	}
	x, target := autograd.Input(tensor(-2, 1, -4)), autograd.Input(tensor(-0.5, 1, -1))
	a := autograd.Parameter("slope", tensor(0, 0, 0))
	slots := []device.AdamSlot{{W: a.Tensor, M: tensor(0, 0, 0), V: tensor(0, 0, 0)}}
	for step := 1; step <= 150; step++ {
		t := autograd.New(dev, 0)
		loss := t.MSE(ops.PReLU(t, x, a), target)
		t.Backward(loss)
		slots[0].Grad = a.Grad()
		dev.Adam(slots, device.AdamOptions{Step: step, LR: 0.02, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8})
		a.ClearGrad()
		if step%50 == 0 {
			fmt.Printf("step %d: loss %.5f\n", step, t.Value(loss)[0])
		}
		t.Close()
	}
	slope := make([]float32, 3)
	dev.Download(slope, a.Tensor)
	fmt.Printf("%s: slopes %.2f\n", dev.Name(), slope)
	return dev.Close()
}
