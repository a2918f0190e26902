package ceiling_test

import (
	"fmt"

	"voxgrad/cuda/ceiling"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
)

// Minutes on the emulator, whose rate says nothing of a GPU; package cuda/hw opens one.
func ExampleFMA() {
	var d driver.Driver = emu.New()
	rate, err := ceiling.FMA(d)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.1f TFLOP/s\n", rate/1e12)
}
