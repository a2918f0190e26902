package cpu_test

import (
	"fmt"

	"voxgrad/device"
	"voxgrad/device/cpu"
)

// A 3³ convolution that adds up each voxel's neighbourhood.
func Example() {
	b := cpu.New()
	defer b.Close()

	s := device.Shape{N: 1, D: 3, H: 3, W: 3, C: 1}
	x, y := b.Alloc(s), b.Alloc(s)
	w := b.Alloc(device.Weights(3, 1, 1))
	b.Fill(x, 1)
	b.Fill(w, 1)
	b.Conv(y, x, w, device.Tensor{}, device.Conv3x3x3, device.Linear)

	sums := make([]float32, y.Len())
	b.Download(sums, y)
	fmt.Println("corner:", sums[0], "centre:", sums[13])
	fmt.Println("failure:", b.Sync())
	// Output:
	// corner: 8 centre: 27
	// failure: <nil>
}
