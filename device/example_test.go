package device_test

import (
	"fmt"

	"voxgrad/device"
)

// A 3³ convolution keeps the grid, a transposed 2³ one doubles it.
func Example() {
	x := device.Shape{N: 1, D: 8, H: 8, W: 8, C: 24}
	fmt.Println(device.Conv3x3x3.Out(x, 48))
	fmt.Println(device.ConvT2x2x2.OutT(x, 24))
	fmt.Println(device.Weights(3, 24, 48).Len())
	// Output:
	// [1 8 8 8 48]
	// [1 16 16 16 24]
	// 31104
}
