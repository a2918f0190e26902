package augment

import "math"

// SmoothField is a random field over a grid: a cubic B-spline with independent standard normal
// coefficients, so many voxels apart, divided by its mean standard deviation. D, H, W; W
// runs fastest.
func SmoothField(s *Stream, size [3]int, cell float64) []float32 {
	cell = max(cell, 1)
	var n [3]int
	for a := range n {
		n[a] = int(math.Ceil(float64(size[a])/cell)) + 4
	}
	phase := [3]float64{s.Float64(), s.Float64(), s.Float64()}
	x := make([]float32, n[0]*n[1]*n[2])
	for i := range x {
		x[i] = float32(s.Normal())
	}
	norm := float32(math.Pow(splineEnergy, -1.5))
	for i := range x {
		x[i] *= norm
	}
	x = expand(x, n[0]*n[1], n[2], size[2], 1, cell, phase[2])
	x = expand(x, n[0], n[1], size[1], size[2], cell, phase[1])
	return expand(x, 1, n[0], size[0], size[1]*size[2], cell, phase[0])
}

// splineEnergy is the mean over all positions of the sum of the squares of the cubic B-spline's weights.
const splineEnergy = 151.0 / 315

// expand evaluates splines of n coefficients at count places; outer lines lie one after the other, and inner
// values side by side.
func expand(x []float32, outer, n, count, inner int, cell, phase float64) []float32 {
	y := make([]float32, outer*count*inner)
	for i := range count {
		u := float64(i)/cell + phase // from 0, below n−3
		b := min(int(u), n-4)
		t := u - float64(b)
		w := [4]float32{
			float32((1 - t) * (1 - t) * (1 - t) / 6),
			float32(2./3 - t*t + t*t*t/2),
			float32(2./3 - (1-t)*(1-t) + (1-t)*(1-t)*(1-t)/2),
			float32(t * t * t / 6),
		}
		for o := range outer {
			from := (o*n + b) * inner
			to := y[(o*count+i)*inner:][:inner]
			c0, c1, c2, c3 := x[from:][:inner], x[from+inner:][:inner], x[from+2*inner:][:inner], x[from+3*inner:][:inner]
			for k := range to {
				to[k] = w[0]*c0[k] + w[1]*c1[k] + w[2]*c2[k] + w[3]*c3[k]
			}
		}
	}
	return y
}
