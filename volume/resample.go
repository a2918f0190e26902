package volume

import (
	"math"

	"voxgrad/internal/par"
)

// Transform maps points of the space resampled onto to points of the space of
// the image, in millimetres of NIfTI's world: the direction in which ITK, ANTs and
// elastix store theirs. Transform.Inverse() goes the other way.
type Transform = Affine

// Interp is how a value between voxels is made.
type Interp int

const (
	// Linear is trilinear: for intensities and probabilities.
	Linear Interp = iota
	// Nearest takes the closest voxel: for labels.
	Nearest
	// Cubic is the interpolating cubic B-spline: for intensities, smoother than
	// Linear; it can overshoot the range of the data.
	Cubic
)

// String is the name used in options.
func (in Interp) String() string { return [...]string{"linear", "nearest", "cubic"}[in] }

// Resample is v on the grid to.
//
// The image reaches from edge to edge of its voxels: half a voxel beyond their
// centres. Up to there Linear and Nearest repeat the outermost voxel and Cubic
// mirrors the image about its outermost centres (scipy's mode "mirror", ITK's
// B-spline); farther out the value is outside. Where the two grids share their
// voxels (to 1e-4 of one), values are copied, not interpolated. Nothing is smoothed
// before downsampling. NaN spreads to its neighbours, with Cubic along whole lines;
// use CheckFinite first.
//
// The result carries v's Path and Source; set Source to that of a volume on the
// grid to in order to write it with its header.
func Resample(v *Volume, to Grid, in Interp, outside float32) *Volume {
	return ResampleThrough(v, to, Identity, in, outside)
}

// ResampleThrough is Resample with a transform between the worlds: the value at
// point p of to is that of v at t(p).
func ResampleThrough(v *Volume, to Grid, t Transform, in Interp, outside float32) *Volume {
	out := &Volume{Grid: to, Data: make([]float32, to.Len()), Path: v.Path, Source: v.Source}
	m := v.Affine.Inverse().Mul(t).Mul(to.Affine) // voxel of to → voxel of v
	row := linearRow
	src := v.Data
	if w, ok := m.wholeVoxels(to.Size); ok {
		m, row = w, nearestRow[float32]
	} else if in == Nearest {
		row = nearestRow[float32]
	} else if in == Cubic {
		row, src = cubicRow, splineCoefficients(v)
	}
	eachRow(to, m, func(n int, p, step [3]float64) {
		row(out.Data[n:][:to.Size[0]], src, v.Size, p, step, outside)
	})
	return out
}

// eachRow visits the rows of a grid: the offset of the first voxel, where m maps it to,
// and how far apart the images of neighbours are.
func eachRow(g Grid, m Affine, row func(n int, p, step [3]float64)) {
	step := [3]float64{m[0][0], m[1][0], m[2][0]}
	par.For(g.Size[2], func(k int) {
		for j := range g.Size[1] {
			row(g.Index(0, j, k), m.Apply([3]float64{0, float64(j), float64(k)}), step)
		}
	})
}

// wholeVoxels is a with whole entries where it only flips, reorders and shifts
// the voxels of a grid of that size, up to 1e-4 of a voxel.
func (a Affine) wholeVoxels(size [3]int) (w Affine, ok bool) {
	for r := range 3 {
		ones := 0.0
		for c := range 4 {
			w[r][c] = math.Round(a[r][c])
			if c < 3 {
				ones += math.Abs(w[r][c])
			}
		}
		if ones != 1 {
			return w, false
		}
	}
	return w, math.Abs(w.Det()) == 1 && cornerDistance(a, w, size) <= 1e-4
}

// edge lets a point on the rim of the image count as inside despite rounding.
const edge = 0.5 + 1e-6

func inside(x float64, n int) bool { return x >= -edge && x <= float64(n-1)+edge }

// A row function fills one row of the result: position p + i·step of the image
// src of that size goes to dst[i].

func nearestRow[T float32 | bool](dst, src []T, size [3]int, p, step [3]float64, outside T) {
	at := func(x float64, n int) int { return max(0, min(n-1, int(math.Floor(x+0.5)))) }
	for i := range dst {
		x, y, z := along(p, step, i)
		if !(inside(x, size[0]) && inside(y, size[1]) && inside(z, size[2])) {
			dst[i] = outside
			continue
		}
		dst[i] = src[(at(z, size[2])*size[1]+at(y, size[1]))*size[0]+at(x, size[0])]
	}
}

func along(p, step [3]float64, i int) (x, y, z float64) {
	f := float64(i)
	return p[0] + f*step[0], p[1] + f*step[1], p[2] + f*step[2]
}

func linearRow(dst, src []float32, size [3]int, p, step [3]float64, outside float32) {
	nx, ny, nz := size[0], size[1], size[2]
	for i := range dst {
		x, y, z := along(p, step, i)
		if !(inside(x, nx) && inside(y, ny) && inside(z, nz)) {
			dst[i] = outside
			continue
		}
		i0, fx, dx := cell(x, nx, 1)
		j0, fy, dy := cell(y, ny, nx)
		k0, fz, dz := cell(z, nz, nx*ny)
		at := i0 + j0 + k0
		lerp := func(o int) float64 {
			a, b := float64(src[o]), float64(src[o+dx])
			return a + fx*(b-a)
		}
		a, b := lerp(at), lerp(at+dy)
		c, d := lerp(at+dz), lerp(at+dz+dy)
		a += fy * (b - a)
		c += fy * (d - c)
		dst[i] = float32(a + fz*(c-a))
	}
}

// cell is the offset of the voxel at or before x, the fraction beyond it and the
// offset from there to the next, with x held inside the outermost centres.
func cell(x float64, n, stride int) (at int, f float64, next int) {
	if n == 1 {
		return 0, 0, 0
	}
	x = max(0, min(float64(n-1), x))
	i := min(int(x), n-2)
	return i * stride, x - float64(i), stride
}
