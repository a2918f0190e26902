package memplan_test

import (
	"fmt"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/memplan"
	"voxgrad/device"
)

// What a call takes from a card, workspaces and rounding included, without the card.
func Example() {
	d := memplan.New(driver.Info{Name: "planned", ComputeCapability: 86, Multiprocs: 28})
	b, err := cuda.New(d)
	if err != nil {
		fmt.Println(err)
		return
	}
	x, mean, invstd := b.Alloc(device.Shape{N: 1, D: 64, H: 64, W: 64, C: 24}), b.Alloc(device.Vec(24)), b.Alloc(device.Vec(24))
	b.BatchNormStats(mean, invstd, x, device.Tensor{}, device.Tensor{}, 1e-5, 0.1)
	tensors, _ := b.Usage()
	fmt.Println(tensors, "bytes of tensors,", d.Peak(), "taken,", d.Launches(), "launches,", b.Close())
	// Output: 25166016 bytes of tensors, 25466880 taken, 2 launches, <nil>
}
