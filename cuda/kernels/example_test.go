package kernels_test

import (
	"fmt"

	"voxgrad/cuda/kernels"
	"voxgrad/cuda/ptx"
)

// The entries of a module, in the form that a GeForce RTX 30xx would run.
func ExampleSource() {
	text, variant, err := kernels.Source("channels", 86)
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := ptx.Parse(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range m.Entries() {
		fmt.Println(variant, e.Name, len(e.Params), "parameters")
	}
	_, _, err = kernels.Source("channels", 60)
	fmt.Println(err)
	// Output:
	// sm_61 concat_v1 9 parameters
	// sm_61 concat_v4 9 parameters
	// sm_61 split_v1 11 parameters
	// sm_61 split_v4 11 parameters
	// kernels: the card has compute capability 6.0, the kernels need 6.1 or newer
}
