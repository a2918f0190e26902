package gpu_test

import (
	"fmt"

	"voxgrad/cuda/gpu"
)

// The first GPU, if there is one.
func Example() {
	d, err := gpu.Open(0)
	if err != nil {
		fmt.Println("computing on the processor:", err)
		return
	}
	defer d.Close()
	i := d.Info()
	fmt.Printf("%s: %d multiprocessors, %d bytes free\n", i.Name, i.Multiprocs, i.FreeMemory)
}
