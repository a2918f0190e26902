package volume

import (
	"fmt"
	"math"
	"strings"

	"voxgrad/internal/warn"
)

// SpaceTolerance is how far apart, in voxels along any axis, two grids may put the
// same voxel and still count as one space. Programs that pass a grid on through
// float32 or through quaternions move it by a few hundredths of a voxel.
const SpaceTolerance = 0.05

// Up to exact millimetres grids are one, and nobody needs to be told of differences of
// up to silent voxels.
const (
	exact  = 1e-3
	silent = 0.01
)

// Image is a *Volume or a *Mask.
type Image interface {
	Name() string
	place() placed
}

// placed is a grid with the header that states it, if it is the file's own.
type placed struct {
	Grid
	source *Source
}

func (v *Volume) place() placed { return place(v.Grid, v.Source) }
func (m *Mask) place() placed   { return place(m.Grid, m.Source) }

// Place is the grid of an image and the sizes of its voxels in millimetres, see
// Volume.Spacing.
func Place(v Image) (Grid, [3]float64) {
	p := v.place()
	return p.Grid, p.spacing()
}

func place(g Grid, s *Source) placed {
	if s != nil && s.grid != g {
		s = nil
	}
	return placed{g, s}
}

// SameSpace is nil where a and b are on one grid: they have the same sizes, and their
// affines, their sforms or their qforms agree to SpaceTolerance over the corners.
// A qform near half a turn, whose float32 quaternion does not fix the angle that
// well, may differ by what it leaves open. Where the affines are further apart than
// a hundredth of a voxel a warning states by how much. Otherwise the error names both files
// and everything that differs.
func SameSpace(a, b Image) error {
	diff := SpaceDifference(a, b)
	if diff == "" {
		return nil
	}
	if p, q := a.place(), b.place(); p.Size == q.Size {
		diff = fmt.Sprintf("corners up to %.3g mm apart (%s)", cornerDistance(p.Affine, q.Affine, p.Size), diff)
	}
	return fmt.Errorf("%s and %s are not in the same space: %s; resample one to the other", a.Name(), b.Name(), diff)
}

// SpaceDifference lists all that differs between grids that are not the same by the
// rule of SameSpace; "" where they are.
func SpaceDifference(a, b Image) string {
	p, q := a.place(), b.place()
	if p.Size == q.Size {
		mm := cornerDistance(p.Affine, q.Affine, p.Size)
		if mm <= exact {
			return ""
		}
		if how := p.agree(q); how != "" {
			if voxelDistance(p.Affine, q.Affine, p.Size) > silent {
				warn.Once("%s and %s are taken as one grid, for %s; their corners are up to %.3g mm apart", a.Name(), b.Name(), how, mm)
			}
			return ""
		}
	}
	return strings.Join(p.differences(q), ", ")
}

// agree is why two places of the same size count as one, or "".
func (p placed) agree(q placed) string {
	if p.Affine.check() != nil || q.Affine.check() != nil {
		return ""
	}
	if d := voxelDistance(p.Affine, q.Affine, p.Size); d <= SpaceTolerance {
		return fmt.Sprintf("they differ by %.2g of a voxel", d)
	}
	if p.source != nil && q.source != nil {
		for n, name := range []string{"qforms", "sforms"} {
			x, y := p.source.forms[n], q.source.forms[n]
			if x != nil && y != nil && voxelDistance(*x, *y, p.Size) <= SpaceTolerance {
				return "their " + name + " are equal"
			}
		}
	}
	// What a quaternion leaves open turns about the origin of the grid.
	open := max(p.openAngle(), q.openAngle())
	if open == 0 {
		return ""
	}
	s := p.Affine.Spacing()
	far := math.Sqrt(math.Pow(s[0]*float64(p.Size[0]), 2) + math.Pow(s[1]*float64(p.Size[1]), 2) + math.Pow(s[2]*float64(p.Size[2]), 2))
	if d := voxelDistance(p.Affine, q.Affine, p.Size); d <= SpaceTolerance+open*far/min(s[0], s[1], s[2]) {
		return fmt.Sprintf("they differ by %.2g of a voxel, which a qform near half a turn cannot express", d)
	}
	return ""
}

// openAngle is the angle in radians that the qform leaves open where the place is
// taken from it.
func (p placed) openAngle() float64 {
	if p.source == nil || p.source.forms[1] != nil {
		return 0
	}
	return p.source.hdr.openAngle()
}

// voxelDistance is how far, in voxels of b, a and b put the same voxel apart along
// any axis, at most.
func voxelDistance(a, b Affine, size [3]int) (d float64) {
	m := b.Inverse().Mul(a)
	for _, p := range corners(size) {
		for axis, x := range m.Apply(p) {
			d = max(d, math.Abs(x-p[axis]))
		}
	}
	return d
}

// differences lists what differs between two grids.
func (p placed) differences(q placed) (out []string) {
	add := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	if p.Size != q.Size {
		add("shape %s and %s voxels", times(p.Size), times(q.Size))
	}
	a, b := p.Affine, q.Affine
	s, t := a.Spacing(), b.Spacing()
	differ := false
	for d := range 3 {
		differ = differ || !(math.Abs(s[d]-t[d])*float64(max(p.Size[d], q.Size[d])) <= exact)
	}
	if differ {
		add("spacing %s and %s mm", spacingText(a), spacingText(b))
	}
	far := s[0]*float64(p.Size[0]) + s[1]*float64(p.Size[1]) + s[2]*float64(p.Size[2])
	if ca, cb := a.Codes(), b.Codes(); ca != cb {
		add("axes %s and %s", ca, cb)
	} else if turned := angle(a, b); !(turned*math.Pi/180*far <= exact) {
		add("axes turned by %.3g degrees", turned)
	}
	if d := distance(a.Apply([3]float64{}), b.Apply([3]float64{})); !(d <= exact) {
		add("first voxels %.3g mm apart", d)
	}
	if len(out) == 0 { // several small differences that add up to more than the tolerance
		add("corners %.3g mm apart", cornerDistance(a, b, p.Size))
	}
	return out
}

// Reordered reports whether g has the voxels of other in another order: flipped, or
// with other axes first.
func (g Grid) Reordered(other Grid) bool {
	if g.Len() != other.Len() || g.Affine.check() != nil || other.Affine.check() != nil {
		return false
	}
	_, ok := other.Affine.Inverse().Mul(g.Affine).wholeVoxels(g.Size)
	a, b := g.Canonical(), other.Canonical()
	return ok && a.Size == b.Size && voxelDistance(a.Affine, b.Affine, a.Size) <= SpaceTolerance
}

// On is m on the grid of ref: as it is where both are on one grid, reordered where
// its voxels are those of ref in another order. Any other grid is an error that
// names both files; see SameSpace.
func (m *Mask) On(ref Image) (*Mask, error) {
	if SpaceDifference(ref, m) == "" {
		return m, nil
	}
	if g := ref.place().Grid; m.Grid.Reordered(g) {
		return m.Resample(g), nil
	}
	return nil, SameSpace(ref, m)
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
	return fmt.Sprintf("%.6g×%.6g×%.6g", s[0], s[1], s[2])
}
