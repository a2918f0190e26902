package volume_test

import (
	"fmt"
	"os"
	"path/filepath"

	"voxgrad/volume"
)

// An image is taken to the networks' grid, something is computed there, and the
// result goes back to the image's own grid.
func Example() {
	dir, err := os.MkdirTemp("", "volume")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "flair.nii.gz")
	scan := volume.New(volume.Grid{
		Size:   [3]int{20, 24, 6},
		Affine: volume.Affine{{-0.75, 0, 0, 7}, {0, -0.75, 0, 9}, {0, 0, 3, -8}},
	})
	for k := 2; k < 5; k++ {
		for j := 10; j < 15; j++ {
			for i := 8; i < 13; i++ {
				scan.Data[scan.Index(i, j, k)] = 100
			}
		}
	}
	if err := volume.Write(path, scan, volume.Int16); err != nil {
		panic(err)
	}

	v, err := volume.Read(path)
	if err != nil {
		panic(err)
	}
	fmt.Println(v.Affine.Codes(), v.Size, v.Spacing())
	grid, err := volume.Iso(v.Grid, 1)
	if err != nil {
		panic(err)
	}
	iso := volume.Resample(v, grid, volume.Linear, 0)
	fmt.Println(iso.Affine.Codes(), iso.Size, iso.Spacing())

	mask := volume.Resample(iso, v.Grid, volume.Linear, 0)
	for i, x := range mask.Data {
		mask.Data[i] = 0
		if x > 50 {
			mask.Data[i] = 1
		}
	}
	if err := volume.Write(filepath.Join(dir, "mask.nii.gz"), mask, volume.Uint8); err != nil {
		panic(err)
	}
	back, err := volume.Read(filepath.Join(dir, "mask.nii.gz"))
	if err != nil {
		panic(err)
	}
	fmt.Println(back.Grid == v.Grid, back.At(10, 12, 3), back.At(10, 12, 5))
	// Output:
	// LPS [20 24 6] [0.75 0.75 3]
	// RAS [15 18 18] [1 1 1]
	// true 1 0
}
