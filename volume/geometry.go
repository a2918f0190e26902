package volume

import (
	"fmt"
	"math"
)

// Identity maps every point to itself.
var Identity = Affine{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}

// Apply is the image of p: for a grid's affine, the world point of a voxel
// position, which need not be whole.
func (a Affine) Apply(p [3]float64) (q [3]float64) {
	for r := range 3 {
		q[r] = a[r][0]*p[0] + a[r][1]*p[1] + a[r][2]*p[2] + a[r][3]
	}
	return q
}

// Mul is "first b, then a".
func (a Affine) Mul(b Affine) (c Affine) {
	for r := range 3 {
		for k := range 4 {
			c[r][k] = a[r][0]*b[0][k] + a[r][1]*b[1][k] + a[r][2]*b[2][k]
		}
		c[r][3] += a[r][3]
	}
	return c
}

// Det is the determinant of the linear part; negative where a mirrors.
func (a Affine) Det() float64 {
	return a[0][0]*(a[1][1]*a[2][2]-a[1][2]*a[2][1]) -
		a[0][1]*(a[1][0]*a[2][2]-a[1][2]*a[2][0]) +
		a[0][2]*(a[1][0]*a[2][1]-a[1][1]*a[2][0])
}

// Inverse undoes a. It panics where a has none; affines from files do.
func (a Affine) Inverse() (b Affine) {
	d := a.Det()
	if d == 0 || math.IsNaN(d) {
		panic(fmt.Sprintf("volume: the affine %v has no inverse", a))
	}
	for r := range 3 {
		for c := range 3 {
			r1, r2 := (r+1)%3, (r+2)%3
			c1, c2 := (c+1)%3, (c+2)%3
			b[c][r] = (a[r1][c1]*a[r2][c2] - a[r1][c2]*a[r2][c1]) / d
		}
	}
	for r := range 3 {
		b[r][3] = -(b[r][0]*a[0][3] + b[r][1]*a[1][3] + b[r][2]*a[2][3])
	}
	return b
}

// Spacing is the length of each column: the distance between voxels.
func (a Affine) Spacing() (s [3]float64) {
	for c := range 3 {
		s[c] = math.Sqrt(a[0][c]*a[0][c] + a[1][c]*a[1][c] + a[2][c]*a[2][c])
	}
	return s
}

// check is the reason why a is no grid's affine, or nil. The limits are far from
// any scanner and let a float32 hold what is computed from a.
func (a Affine) check() error {
	const least, most = 1e-6, 1e9 // mm
	for r := range 3 {
		for c := range 4 {
			if !(math.Abs(a[r][c]) <= most) {
				return fmt.Errorf("has an entry of %g; up to %g mm are possible", a[r][c], most)
			}
		}
	}
	s := a.Spacing()
	if !(min(s[0], s[1], s[2]) >= least) {
		return fmt.Errorf("is singular: its voxels are %g×%g×%g mm", s[0], s[1], s[2])
	}
	// Relative to the column lengths the determinant is the volume that three
	// unit vectors span.
	if v := math.Abs(a.Det()) / s[0] / s[1] / s[2]; !(v > 1e-6) {
		return fmt.Errorf("is singular: its axes do not span space (%v)", a)
	}
	return nil
}

// corners are the eight outermost voxel centres.
func corners(size [3]int) (p [8][3]float64) {
	for i := range p {
		for a := range 3 {
			if i>>a&1 == 1 {
				p[i][a] = float64(size[a] - 1)
			}
		}
	}
	return p
}

// cornerDistance is how far a and b put the same voxel apart, at most.
func cornerDistance(a, b Affine, size [3]int) (mm float64) {
	for _, p := range corners(size) {
		mm = max(mm, distance(a.Apply(p), b.Apply(p)))
	}
	return mm
}

func distance(p, q [3]float64) float64 {
	x, y, z := p[0]-q[0], p[1]-q[1], p[2]-q[2]
	return math.Sqrt(x*x + y*y + z*z)
}

// Centre is the point of the world in the middle of the grid.
func (g Grid) Centre() [3]float64 {
	return g.World(float64(g.Size[0]-1)/2, float64(g.Size[1]-1)/2, float64(g.Size[2]-1)/2)
}

// World is where voxel position (i, j, k) of g is, in millimetres.
func (g Grid) World(i, j, k float64) [3]float64 { return g.Affine.Apply([3]float64{i, j, k}) }

// Box is the part of g from voxel lo to the one before hi along each axis.
func (g Grid) Box(lo, hi [3]int) Grid {
	at := g.World(float64(lo[0]), float64(lo[1]), float64(lo[2]))
	for a := range 3 {
		g.Size[a] = hi[a] - lo[a]
		g.Affine[a][3] = at[a]
	}
	return g
}

// Voxel is the voxel position at a world point; the inverse of World.
func (g Grid) Voxel(p [3]float64) [3]float64 { return g.Affine.Inverse().Apply(p) }

// Orientation is along which way of the world each array axis grows most.
type Orientation struct {
	World [3]int  // the world axis (0 x, 1 y, 2 z) closest to array axis 0, 1, 2
	Flip  [3]bool // it grows to the left, the back or down
}

var permutations = [6][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}

// Orientation is the assignment of array axes to world axes with the largest sum
// of absolute direction cosines; for equal sums, the first in the order of
// permutations.
func (a Affine) Orientation() (o Orientation) {
	s := a.Spacing()
	best := -1.0
	for _, p := range permutations {
		sum := 0.0
		for c, r := range p {
			sum += math.Abs(a[r][c] / s[c])
		}
		if sum > best+1e-9 {
			best, o.World = sum, p
		}
	}
	for c, r := range o.World {
		o.Flip[c] = a[r][c] < 0
	}
	return o
}

// Codes names the direction in which each array axis grows: "LPS" is to the left,
// to the back (posterior) and up (superior).
func (o Orientation) Codes() string {
	b := make([]byte, 3)
	for c, r := range o.World {
		b[c] = "RAS"[r]
		if o.Flip[c] {
			b[c] = "LPI"[r]
		}
	}
	return string(b)
}

// Codes is the orientation of the array axes: "RAS", "LPS".
func (a Affine) Codes() string { return a.Orientation().Codes() }

// toSource maps voxel positions of the canonical grid to those of g.
func (o Orientation) toSource(size [3]int) (m Affine) {
	for c, r := range o.World {
		m[c][r] = 1
		if o.Flip[c] {
			m[c][r] = -1
			m[c][3] = float64(size[c] - 1)
		}
	}
	return m
}

// Canonical is g with its axes reordered and flipped to be as close to RAS+ as
// they can be without moving a voxel.
func (g Grid) Canonical() Grid {
	o := g.Affine.Orientation()
	c := Grid{Affine: g.Affine.Mul(o.toSource(g.Size))}
	for a, r := range o.World {
		c.Size[r] = g.Size[a]
	}
	return c
}

// Canonical is v on v.Grid.Canonical(): the same voxels in another order. The
// result shares no memory with v.
func Canonical(v *Volume) *Volume {
	c := &Volume{Grid: v.Grid.Canonical(), Data: make([]float32, v.Len()), Path: v.Path, Source: v.Source}
	v.Affine.Orientation().each(v.Grid, func(canonical, source int) { c.Data[canonical] = v.Data[source] })
	return c
}

// FromCanonical undoes Canonical: c, which is on g.Canonical(), in the order
// and with the affine of g. It panics where the sizes do not fit.
func FromCanonical(c *Volume, g Grid) *Volume {
	if want := g.Canonical().Size; c.Size != want {
		panic(fmt.Sprintf("volume: FromCanonical: sizes are %v, the grid's canonical sizes are %v", c.Size, want))
	}
	v := &Volume{Grid: g, Data: make([]float32, g.Len()), Path: c.Path, Source: c.Source}
	g.Affine.Orientation().each(g, func(canonical, source int) { v.Data[source] = c.Data[canonical] })
	return v
}

// each visits all voxels with their offsets in the canonical order and in g's.
func (o Orientation) each(g Grid, visit func(canonical, source int)) {
	var stride [3]int // in g, by world axis
	var size [3]int
	start, step := 0, 1
	for c, r := range o.World {
		stride[r], size[r] = step, g.Size[c]
		if o.Flip[c] {
			start += step * (g.Size[c] - 1)
			stride[r] = -step
		}
		step *= g.Size[c]
	}
	n := 0
	for k := range size[2] {
		for j := range size[1] {
			s := start + k*stride[2] + j*stride[1]
			for range size[0] {
				visit(n, s)
				n++
				s += stride[0]
			}
		}
	}
}

// Iso is the grid of mm-sized voxels that the networks work on: axes as in
// g.Canonical(), the same centre, and just enough voxels to cover g's field of
// view, counted from voxel edge to voxel edge. An axis whose spacing is mm already
// (to 1e-4 of it) keeps its voxels, so that an isotropic grid is only reordered.
// The error is for a field of view that would need more than MaxVoxels.
func Iso(g Grid, mm float64) (Grid, error) {
	if !(mm > 0) {
		return Grid{}, fmt.Errorf("voxels of %g mm are not possible", mm)
	}
	c := g.Canonical()
	out := c
	s := c.Affine.Spacing()
	m := Identity // from positions of out to positions of c
	total := 1.0
	for a := range 3 {
		if math.Abs(s[a]-mm) > 1e-4*mm {
			old := float64(c.Size[a])
			// A thousandth of a voxel may stay uncovered rather than add a layer of edge.
			n := max(1, math.Ceil(old*s[a]/mm-1e-3))
			m[a][a] = mm / s[a]
			m[a][3] = (old-1)/2 - (n-1)/2*m[a][a]
			out.Size[a] = int(min(n, MaxVoxels+1))
		}
		total *= float64(out.Size[a])
	}
	if total > MaxVoxels {
		return Grid{}, fmt.Errorf("a field of view of %.4g×%.4g×%.4g mm at %g mm needs more than %d voxels: is the unit of length right?",
			s[0]*float64(c.Size[0]), s[1]*float64(c.Size[1]), s[2]*float64(c.Size[2]), mm, MaxVoxels)
	}
	if m != Identity {
		out.Affine = c.Affine.Mul(m)
	}
	return out, nil
}
