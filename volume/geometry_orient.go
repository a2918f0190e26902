package volume

import (
	"fmt"
	"math"
)

// Orientation says along which way of the world each array axis grows most.
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

// FromCanonical undoes Canonical: c, which lies on g.Canonical(), in the order
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
