package prep_test

import (
	"fmt"

	"voxgrad/train/prep"
	"voxgrad/volume"
)

func Example() {
	o := volume.DefaultPhantom(1)
	o.Size = [3]int{24, 26, 25}
	scan, err := volume.NewPhantom(o)
	if err != nil {
		panic(err)
	}
	p, err := prep.Images(prep.Case{Times: []*volume.Volume{scan.Time1, scan.Time2}, Brain: scan.BrainMask}, prep.Defaults())
	if err != nil {
		panic(err)
	}
	fmt.Println(len(p.Images), "images,", p.Grid().Affine.Codes(), p.Grid().Size)
	// Output: 2 images, RAS [24 26 25]
}
