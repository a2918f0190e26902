package prep

import (
	"fmt"
	"slices"

	"voxgrad/volume"
)

// What FLAIR scans are like inside the brain, normalised so that the peak of their histogram is at 1. In eleven real
// ones of four scanners 0 to 3.2 % of the voxels are above brightFluid, 6 to 18 % below darkFluid, and the shell of cortex reaches 0.97 to 1.15 times the
// intensity of the white matter inside; of a T1-weighted average 0.86.
const (
	brightFluid, mostBright = 1.5, 0.08
	darkFluid, leastDark    = 0.5, 0.02
	leastCortex             = 0.9

	// Voxels that networks are trained on: slices of 8 mm and their gaps; and twice the canonical ones in the plane.
	thickest, coarsest = 10.5, 2.5
)

// Doubt states in words where an image is unlike FLAIR scans that networks are trained on.
type Doubt struct {
	Time int // whose: 0 is the first
	Text string
}

// Unusual finds where the tissues of the images are in another order than those of FLAIR scans. Empty where they are not.
// It needs a brain mask, and intensities that were normalised by it.
func (p *Prepared) Unusual() (out []Doubt, err error) {
	if p.Brain == nil || p.Brain.Count() == 0 {
		return nil, nil
	}
	outside := make([]bool, len(p.Brain.Data))
	for i, in := range p.Brain.Data {
		outside[i] = !in
	}
	depth, err := volume.Distance(outside, p.Brain.Size, p.Brain.Spacing())
	if err != nil {
		return nil, err
	}
	for t, v := range p.Images {
		name := fmt.Sprintf("scan %d", t+1)
		if t < len(p.Aligned) && p.Aligned[t] != nil {
			name = p.Aligned[t].Name()
		}
		if what := order(v, p.Brain, depth); what != "" {
			out = append(out, Doubt{t, name + ": " + what})
		}
	}
	return out, nil
}

// Coarse reports in words that a scan's voxels are larger than those that networks are trained on; "" where they are not.
func Coarse(v *volume.Volume) string {
	s := v.Spacing()
	mm := slices.Clone(s[:])
	slices.Sort(mm)
	if mm[2] <= thickest && mm[1] <= coarsest {
		return ""
	}
	return fmt.Sprintf("%s: voxels of %.3g × %.3g × %.3g mm; networks are trained on slices of up to %g mm with voxels of up to %g mm in them", v.Name(), s[0], s[1], s[2], thickest, coarsest)
}

// order reports which contrast an image seems to have by the order of its tissues; "" for FLAIR. A fifth of a litre at least is
// looked at: less tells nothing. None of the signs is sure: 47 ml of lesions in a bias field of ±40 % leave 11 % of a brain bright, the shell of cortex
// is darker by a bias field, too, and dark fluid may be outside of a narrow mask.
func order(v *volume.Volume, brain *volume.Mask, depth []float32) string {
	var all, shell, inner []float32
	for i, in := range brain.Data {
		if !in {
			continue
		}
		x := v.Data[i]
		all = append(all, x)
		switch d := depth[i]; {
		case d > 2 && d <= 6:
			shell = append(shell, x)
		case d > 12 && d < 25:
			inner = append(inner, x)
		}
	}
	if float64(len(all))*brain.VoxelMM3() < 200e3 || len(shell) == 0 || len(inner) == 0 {
		return ""
	}
	bright, dark := 0, 0
	for _, x := range all {
		if x > brightFluid {
			bright++
		}
		if x < darkFluid {
			dark++
		}
	}
	n := float64(len(all))
	switch cortex := quartile(shell) / quartile(inner); {
	case float64(bright)/n > mostBright:
		return fmt.Sprintf("fluid is brighter than tissue (%.0f %% of the brain is above %g times its most frequent intensity): it looks T2-weighted", 100*float64(bright)/n, brightFluid)
	case cortex < leastCortex:
		return fmt.Sprintf("cortex is darker than white matter (%.2f times): it may be T1-weighted", cortex)
	case float64(dark)/n < leastDark:
		return fmt.Sprintf("fluid is not dark (%.1f %% of the brain is below %g times its most frequent intensity)", 100*float64(dark)/n, darkFluid)
	}
	return ""
}

// quartile is the third one; it sorts x.
func quartile(x []float32) float64 {
	slices.Sort(x)
	return float64(x[3*(len(x)-1)/4])
}
