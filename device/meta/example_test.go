package meta_test

import (
	"fmt"

	"voxgrad/device"
	"voxgrad/device/meta"
)

// What a convolution needs, without doing it.
func Example() {
	b := meta.New(0)
	x := b.Alloc(device.Shape{N: 1, D: 64, H: 64, W: 64, C: 144})
	y := b.Alloc(x.WithC(96))
	w := b.Alloc(device.Weights(3, 144, 96))
	b.Conv(y, x, w, device.Tensor{}, device.Conv3x3x3, device.Linear)
	_, peak := b.Usage()
	fmt.Printf("%.1f GFLOP, %d MiB\n", float64(b.Total().Flops)/1e9, peak>>20)
	// Output: 195.7 GFLOP, 241 MiB
}
