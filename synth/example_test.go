package synth_test

import (
	"fmt"

	"voxgrad/augment"
	"voxgrad/synth"
)

// A cube of brain with one lesion, and the shape of another case's lesion to put in.
func Example() {
	size := [3]int{16, 16, 16}
	p := synth.Patch{Size: size, Brain: make([]bool, 4096), Lesions: make([]bool, 4096), Case: "a"}
	for i := range p.Brain {
		p.Brain[i] = true
	}
	for i := range 5 {
		p.Lesions[(4*16+4)*16+4+i] = true
	}
	options := synth.Defaults()
	options.GeneratedMin = 1
	library := synth.NewLibrary(options)
	if _, err := library.Add("b", []bool{true, true, true, true, false, true}, [3]int{1, 2, 3}); err != nil {
		panic(err)
	}
	plan, err := options.Plan(augment.NewStream(4, "synth", 0), p, library)
	if err != nil {
		panic(err)
	}
	for _, l := range plan.Record.Lesions {
		fmt.Println(l.Number, l.Origin, l.Time1, l.Time2, "new:", l.New, l.Voxels)
	}
	// Plan.Run then fills two copies of the image on the device.

	// Output:
	// 1 real false true new: true 5
	// 2 generated false true new: true 5
	// 3 generated true false new: false 5
}
