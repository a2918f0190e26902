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

// The interpolating cubic B-spline after Unser, Aldroubi and Eden, "B-spline
// signal processing", IEEE Trans. Signal Processing 41 (1993): coefficients c with
// (c[k-1] + 4 c[k] + c[k+1]) / 6 = f[k] come from one causal and one anticausal
// first-order filter with pole z = √3 − 2 and gain 6.

var splinePole = math.Sqrt(3) - 2

// splineCoefficients are those of v, the image being continued by mirroring
// about its outermost voxel centres.
func splineCoefficients(v *Volume) []float32 {
	nx, ny, nz := v.Size[0], v.Size[1], v.Size[2]
	out := make([]float32, len(v.Data))
	wx, wy, wz := mirrorWeights(nx), mirrorWeights(ny), mirrorWeights(nz)
	par.For(nz, func(k int) {
		slice := make([]float64, nx*ny)
		for i, x := range v.Data[k*nx*ny:][:nx*ny] {
			slice[i] = float64(x)
		}
		for j := range ny {
			prefilter(slice[j*nx:][:nx], wx, nx, 1)
		}
		prefilter(slice, wy, ny, nx)
		for i, x := range slice {
			out[k*nx*ny+i] = float32(x)
		}
	})
	if nz == 1 {
		return out
	}
	par.For(ny, func(j int) {
		slice := make([]float64, nx*nz)
		for k := range nz {
			for i, x := range out[v.Index(0, j, k):][:nx] {
				slice[k*nx+i] = float64(x)
			}
		}
		prefilter(slice, wz, nz, nx)
		for k := range nz {
			row := out[v.Index(0, j, k):][:nx]
			for i := range row {
				row[i] = float32(slice[k*nx+i])
			}
		}
	})
	return out
}

// prefilter turns m interleaved lines of n samples, sample k of line l at
// c[k*m+l], into spline coefficients in place; start are mirrorWeights(n).
func prefilter(c, start []float64, n, m int) {
	if n == 1 {
		return
	}
	z := splinePole
	first := make([]float64, m)
	for k, w := range start {
		for l, x := range c[k*m:][:m] {
			first[l] += w * x
		}
	}
	copy(c, first)
	for k := 1; k < n; k++ {
		before, row := c[(k-1)*m:][:m], c[k*m:][:m]
		for l := range row {
			row[l] += z * before[l]
		}
	}
	before, last := c[(n-2)*m:][:m], c[(n-1)*m:][:m]
	for l := range last {
		last[l] = 6 * z / (z*z - 1) * (last[l] + z*before[l])
	}
	for k := n - 2; k >= 0; k-- {
		row, after := c[k*m:][:m], c[(k+1)*m:][:m]
		for l := range row {
			row[l] = z * (after[l] - 6*row[l])
		}
	}
}

// mirrorWeights give the causal filter's first output, Σ z^k f[-k] over the
// mirrored, periodic line, as a sum over the line itself. Terms below 1e-27 of the
// first are dropped.
func mirrorWeights(n int) []float64 {
	if n == 1 {
		return nil // there is nothing to filter
	}
	w := make([]float64, min(n, 48))
	period := float64(2*n - 2)
	for k := range w {
		w[k] = math.Pow(splinePole, float64(k))
		if k > 0 && k < n-1 {
			w[k] += math.Pow(splinePole, period-float64(k))
		}
		w[k] /= 1 - math.Pow(splinePole, period)
	}
	return w
}

func cubicRow(dst, coef []float32, size [3]int, p, step [3]float64, outside float32) {
	nx, ny, nz := size[0], size[1], size[2]
	for i := range dst {
		x, y, z := along(p, step, i)
		if !(inside(x, nx) && inside(y, ny) && inside(z, nz)) {
			dst[i] = outside
			continue
		}
		ix, wx := taps(x, nx, 1)
		iy, wy := taps(y, ny, nx)
		iz, wz := taps(z, nz, nx*ny)
		sum := 0.0
		for c := range 4 {
			plane := 0.0
			for b := range 4 {
				o := iz[c] + iy[b]
				plane += wy[b] * (wx[0]*float64(coef[o+ix[0]]) + wx[1]*float64(coef[o+ix[1]]) +
					wx[2]*float64(coef[o+ix[2]]) + wx[3]*float64(coef[o+ix[3]]))
			}
			sum += wz[c] * plane
		}
		dst[i] = float32(sum)
	}
}

// taps are the four coefficients that matter at x, as offsets, and the cubic
// B-spline's values there.
func taps(x float64, n, stride int) (at [4]int, w [4]float64) {
	i := int(math.Floor(x))
	t := x - float64(i)
	u := 1 - t
	w = [4]float64{u * u * u / 6, 2.0/3 - t*t + t*t*t/2, 2.0/3 - u*u + u*u*u/2, t * t * t / 6}
	for k := range at {
		at[k] = mirror(i-1+k, n) * stride
	}
	return at, w
}

// mirror folds index i into [0, n) about 0 and n−1.
func mirror(i, n int) int {
	if i >= 0 && i < n {
		return i
	}
	if n == 1 {
		return 0
	}
	period := 2*n - 2
	i = ((i % period) + period) % period
	return min(i, period-i)
}
