package volume

import (
	"math"

	"voxgrad/internal/par"
)

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
