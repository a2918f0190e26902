package atlas_test

import (
	"fmt"
	"math"

	"voxgrad/prepare/atlas"
)

// Which tissue is most likely at a place of the MNI space, in mm.
func ExampleLikelihood() {
	for _, p := range [][3]float64{{-8, -18, 18}, {28, -20, 28}, {0, -40, 90}} {
		best, most := "air", 0.5
		for t := range atlas.Tissue(atlas.Tissues) {
			v := atlas.Likelihood(t)
			at := v.Voxel(p)
			i, j, k := int(math.Round(at[0])), int(math.Round(at[1])), int(math.Round(at[2]))
			if f := float64(v.At(i, j, k)); f > most {
				best, most = t.String(), f
			}
		}
		fmt.Println(p, best)
	}
	// Output:
	// [-8 -18 18] ventricles
	// [28 -20 28] white_matter
	// [0 -40 90] bone
}
