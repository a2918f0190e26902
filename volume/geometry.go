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

// World is where voxel position (i, j, k) of g lies, in millimetres.
func (g Grid) World(i, j, k float64) [3]float64 { return g.Affine.Apply([3]float64{i, j, k}) }

// Voxel is the voxel position at a world point; the inverse of World.
func (g Grid) Voxel(p [3]float64) [3]float64 { return g.Affine.Inverse().Apply(p) }
