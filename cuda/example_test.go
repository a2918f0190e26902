package cuda_test

import (
	"fmt"

	"voxgrad/cuda"
	"voxgrad/cuda/emu"
	"voxgrad/device"
)

// The emulator stands for a GPU; package cuda/gpu opens a real one.
func Example() {
	b, err := cuda.New(emu.New())
	if err != nil {
		fmt.Println(err)
		return
	}
	x, w, y := b.Alloc(device.Shape{N: 1, D: 1, H: 1, W: 3, C: 1}), b.Alloc(device.Weights(1, 1, 1)), b.Alloc(device.Shape{N: 1, D: 1, H: 1, W: 3, C: 1})
	b.Upload(x, []float32{1, -2, 3})
	b.Fill(w, 2)
	b.Conv(y, x, w, device.Tensor{}, device.ConvParams{K: 1, Stride: 1}, device.ReLU)
	out := make([]float32, 3)
	b.Download(out, y)
	for _, t := range []device.Tensor{x, w, y} {
		b.Free(t)
	}
	fmt.Println(out, b.Close())
	// Output: [2 0 6] <nil>
}
