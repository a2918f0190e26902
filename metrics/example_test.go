package metrics_test

import (
	"encoding/json"
	"fmt"
	"log"

	"voxgrad/metrics"
	"voxgrad/volume"
)

// box marks a box of voxels in an image of 20×20×10 voxels of 1 mm.
func box(at, size [3]int) *volume.Volume {
	v := volume.New(volume.Grid{
		Size:   [3]int{20, 20, 10},
		Affine: volume.Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}},
	})
	for k := at[2]; k < at[2]+size[2]; k++ {
		for j := at[1]; j < at[1]+size[1]; j++ {
			for i := at[0]; i < at[0]+size[0]; i++ {
				v.Data[v.Index(i, j, k)] = 1
			}
		}
	}
	return v
}

func ExampleEvaluate() {
	truth := box([3]int{5, 5, 3}, [3]int{4, 4, 4})
	pred := box([3]int{6, 5, 3}, [3]int{4, 4, 4})
	r, err := metrics.EvaluateLabels(truth, pred, metrics.DefaultOptions())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("Dice %.2f, lesion F1 %.0f, Hausdorff %.0f mm\n", r.Voxel.Dice, r.Lesion.F1, r.Surface.Hausdorff)
	for _, l := range r.TruthLesions {
		fmt.Printf("lesion %d: %.0f mm³ at %.1f mm, detected: %t\n", l.Number, l.VolumeMM3, l.World, l.Found)
	}
	// Output:
	// Dice 0.75, lesion F1 1, Hausdorff 1 mm
	// lesion 1: 64 mm³ at [6.5 6.5 4.5] mm, detected: true
}

func ExampleResult_MarshalJSON() {
	nothing := box([3]int{}, [3]int{})
	alarm := box([3]int{1, 1, 1}, [3]int{2, 2, 2})
	r, err := metrics.EvaluateLabels(nothing, alarm, metrics.DefaultOptions())
	if err != nil {
		log.Fatal(err)
	}
	b, _ := json.Marshal(r)
	fmt.Println(string(b))
	// Output:
	// {"dice":null,"lesion_sensitivity":null,"lesion_ppv":null,"lesion_f1":null,"truth_lesions":0,"pred_lesions":1,"tested_lesions":1,"tested_volume":8}
}

func ExampleWilcoxonSignedRank() {
	ours := []float64{0.61, 0.55, 0.72, 0.48, 0.66, 0.59, 0.70}
	theirs := []float64{0.58, 0.50, 0.65, 0.49, 0.57, 0.48, 0.68}
	w, err := metrics.WilcoxonSignedRank(ours, theirs)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("W+ = %g, W− = %g, p = %.4f, exact: %t\n", w.Plus, w.Minus, w.P, w.Exact)
	// Output:
	// W+ = 27, W− = 1, p = 0.0312, exact: true
}
