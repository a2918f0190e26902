package infer

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"voxgrad/volume"
)

// Lesion is one line of the table of lesions.
type Lesion struct {
	Number   int        `json:"number"`           // 1, 2, … by decreasing size, then by first voxel
	Centroid [3]float64 `json:"centroid_mm"`      // NIfTI's world: x to the right, y to the front, z up
	Volume   float64    `json:"volume_mm3"`       //
	Voxels   int        `json:"voxels"`           //
	Mean     float64    `json:"mean_probability"` // over its voxels
}

// Lesions measures the lesions of a mask: components of voxels that share a
// face, as in the evaluation. prob is on the mask's grid.
func Lesions(mask, prob *volume.Volume) ([]Lesion, error) {
	if err := volume.SameSpace(mask, prob); err != nil {
		return nil, err
	}
	labels, comps, err := volume.Components(volume.NonZero(mask), mask.Size, 6)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", mask.Name(), err)
	}
	out := make([]Lesion, len(comps))
	voxel := math.Abs(mask.Affine.Det())
	for i, c := range comps {
		out[i] = Lesion{Number: i + 1, Voxels: c.Voxels, Volume: float64(c.Voxels) * voxel,
			Centroid: mask.World(c.Centroid[0], c.Centroid[1], c.Centroid[2])}
	}
	for x, l := range labels {
		if l > 0 {
			out[l-1].Mean += float64(prob.Data[x])
		}
	}
	for i := range out {
		out[i].Mean /= float64(out[i].Voxels)
	}
	return out, nil
}

// WriteTable prints lesions with aligned columns.
func WriteTable(w io.Writer, lesions []Lesion) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "lesion\tx mm\ty mm\tz mm\tmm³\tprobability\t")
	for _, l := range lesions {
		fmt.Fprintf(t, "%d\t%.1f\t%.1f\t%.1f\t%.1f\t%.2f\t\n",
			l.Number, l.Centroid[0], l.Centroid[1], l.Centroid[2], l.Volume, l.Mean)
	}
	return t.Flush()
}
