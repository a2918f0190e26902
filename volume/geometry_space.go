package volume

import (
	"fmt"
	"math"
)

// SpaceTolerance is how far apart, in millimetres, two grids may put the same
// voxel and still count as one space.
const SpaceTolerance = 1e-3

// SameSpace is nil where a and b have the same sizes and their affines agree to
// SpaceTolerance over the volume's corners. Otherwise the error says what differs.
func SameSpace(a, b *Volume) error {
	if a.Size != b.Size {
		return fmt.Errorf("%s and %s are not in the same space: sizes %s and %s, voxels %s and %s mm; resample one to the other",
			a.Name(), b.Name(), times(a.Size), times(b.Size), spacingText(a.Affine), spacingText(b.Affine))
	}
	d := cornerDistance(a.Affine, b.Affine, a.Size)
	if d <= SpaceTolerance {
		return nil
	}
	what := ""
	if ca, cb := a.Affine.Codes(), b.Affine.Codes(); ca != cb {
		what = fmt.Sprintf("axes %s and %s", ca, cb)
	} else {
		var centre [3]float64
		for i, n := range a.Size {
			centre[i] = float64(n-1) / 2
		}
		what = fmt.Sprintf("centres %.3g mm apart, turned by %.3g degrees, voxels %s and %s mm",
			distance(a.Affine.Apply(centre), b.Affine.Apply(centre)), angle(a.Affine, b.Affine),
			spacingText(a.Affine), spacingText(b.Affine))
	}
	return fmt.Errorf("%s and %s are not in the same space: corners up to %.3g mm apart (%s); resample one to the other",
		a.Name(), b.Name(), d, what)
}

// angle is the rotation between the axes of a and b in degrees. The Frobenius
// norm of R − 1 is 2√2·sin(θ/2), which is accurate for small angles too.
func angle(a, b Affine) float64 {
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

func times(s [3]int) string { return fmt.Sprintf("%d×%d×%d", s[0], s[1], s[2]) }

func spacingText(a Affine) string {
	s := a.Spacing()
	return fmt.Sprintf("%.4g×%.4g×%.4g", s[0], s[1], s[2])
}
