package metrics

import (
	"fmt"
	"math"
	"strings"

	"voxgrad/volume"
)

// sameGrid refuses masks on different grids. The error names both files and
// everything that differs: shape, axes, spacing in mm, rotation in degrees, place in mm.
func sameGrid(truth, pred *volume.Volume) error {
	if volume.SameSpace(truth, pred) == nil {
		return nil
	}
	return fmt.Errorf("truth %s and prediction %s lie on different grids: %s; resample the prediction to the truth's grid",
		truth.Name(), pred.Name(), strings.Join(gridDifferences(truth, pred), ", "))
}

func gridDifferences(truth, pred *volume.Volume) (out []string) {
	add := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	if truth.Size != pred.Size {
		add("shape %s and %s voxels", times(truth.Size), times(pred.Size))
	}
	a, b := truth.Affine, pred.Affine
	sa, sb := a.Spacing(), b.Spacing()
	differ := false
	for d := range 3 {
		differ = differ || !(math.Abs(sa[d]-sb[d])*float64(max(truth.Size[d], pred.Size[d])) <= volume.SpaceTolerance)
	}
	if differ {
		add("spacing %s and %s mm", times(sa), times(sb))
	}
	if ca, cb := a.Codes(), b.Codes(); ca != cb {
		add("axes %s and %s", ca, cb)
	} else if angle := rotation(a, b); !(angle*float64(max(truth.Size[0], truth.Size[1], truth.Size[2])) < 1e-3) {
		add("axes turned by %.3g degrees", angle)
	}
	shift := 0.0
	for r := range 3 {
		shift = math.Hypot(shift, a[r][3]-b[r][3])
	}
	if !(shift <= volume.SpaceTolerance) {
		add("first voxels %.3g mm apart", shift)
	}
	if len(out) == 0 { // several small differences that add up to more than the tolerance
		add("corners more than %g mm apart", volume.SpaceTolerance)
	}
	return out
}

// rotation is the angle in degrees between the axes of two affines that are
// rotated and scaled but not sheared: the Frobenius norm of the difference of their
// unit axes is 2√2·sin(θ/2).
func rotation(a, b volume.Affine) float64 {
	sa, sb := a.Spacing(), b.Spacing()
	sum := 0.0
	for r := range 3 {
		for c := range 3 {
			d := a[r][c]/sa[c] - b[r][c]/sb[c]
			sum += d * d
		}
	}
	return 2 * math.Asin(min(1, math.Sqrt(sum/8))) * 180 / math.Pi
}

func times[T int | float64](s [3]T) string {
	return fmt.Sprintf("%.6g×%.6g×%.6g", float64(s[0]), float64(s[1]), float64(s[2]))
}
