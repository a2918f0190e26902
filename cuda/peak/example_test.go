package peak_test

import (
	"fmt"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/cuda/peak"
)

// Minutes on the emulator, whose rate says nothing of a GPU; package cuda/gpu opens one.
func ExampleFMA() {
	var d driver.Driver = emu.New()
	rate, err := peak.FMA(d)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.1f TFLOP/s\n", rate/1e12)
}
