package ref_test

import (
	"fmt"

	"voxgrad/device"
	"voxgrad/device/ref"
)

func ExampleNew() {
	b := ref.New[float64]()
	x := b.Alloc(device.Shape{N: 1, D: 1, H: 1, W: 3, C: 1})
	y := b.Alloc(x.Shape)
	w := b.Alloc(device.Weights(3, 1, 1))
	b.Upload(x, []float32{1, 2, 3})
	b.Fill(w, 1)
	b.Conv(y, x, w, device.Tensor{}, device.Conv3x3x3, device.Linear)
	fmt.Println(b.Data(y))
	// Output: [3 6 5]
}
