package augment_test

import (
	"encoding/json"
	"fmt"
	"slices"

	"voxgrad/augment"
	"voxgrad/device/cpu"
	"voxgrad/volume"
)

// One transform with explicit parameters.
func Example() {
	t, err := augment.Parse("ghosting", []byte(`{"num_ghosts": 4, "axis": 1, "intensity": 0.5}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(t)
	_, err = augment.Parse("blur", []byte(`{"sigma_vox": 0}`))
	fmt.Println(err)
	// Output:
	// ghosting, 4 along y, intensity 0.5
	// transform blur: sigma 0: a standard deviation must be above 0
}

// A sample's recipe depends on its stream alone, and its JSON replays it.
func ExamplePreset_Draw() {
	preset, err := augment.Named("default")
	if err != nil {
		panic(err)
	}
	size := [3]int{16, 16, 16}
	recipe := preset.Draw(augment.NewStream(1, "sample", 1, "time 1"), size)
	for _, t := range recipe {
		fmt.Println(t)
	}

	scan := volume.New(volume.Grid{Size: size, Affine: volume.Identity})
	for i := range scan.Data {
		scan.Data[i] = float32(i % 7)
	}
	dev := cpu.New()
	defer dev.Close()
	x := augment.ToDevice(dev, scan)
	recipe.Apply(dev, x)

	text, err := json.Marshal(recipe)
	if err != nil {
		panic(err)
	}
	var again augment.Recipe
	if err := json.Unmarshal(text, &again); err != nil {
		panic(err)
	}
	y := augment.ToDevice(dev, scan)
	again.Apply(dev, y)
	a, b := augment.FromDevice(dev, x, scan.Grid), augment.FromDevice(dev, y, scan.Grid)
	fmt.Println("the same bits:", slices.Equal(a.Data, b.Data))
	// Output:
	// bias field, order 3
	// ghosting, 8 along y, intensity 0.518
	// edge enhancement, SD 1 voxels, amount 1
	// noise, SD 0.044
	// the same bits: true
}

// Time points and masks share one orientation.
func ExamplePreset_DrawOrientation() {
	preset, err := augment.Named("torchio")
	if err != nil {
		panic(err)
	}
	for i := range 3 {
		fmt.Println(preset.DrawOrientation(augment.NewStream(1, "orientation", i), [3]int{64, 64, 64}))
	}
	// Output:
	// [0 1 2] [true false false]
	// [0 1 2] [true false false]
	// [0 1 2] [false false false]
}
