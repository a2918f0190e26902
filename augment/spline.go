package augment

import "math"

// splinePole and splineGain are those of the cubic B-spline: Unser, Aldroubi and
// Eden, "B-spline signal processing", IEEE Trans. Signal Processing (1993).
var splinePole = math.Sqrt(3) - 2

const splineGain = 6

// splineCoefficients changes n samples into the coefficients of the cubic B-spline
// that passes through them, mirrored at its ends.
func splineCoefficients(c []float64) {
	n := len(c)
	if n == 1 {
		return
	}
	z := splinePole
	first, power := 0.0, 1.0
	for k := range 2*n - 2 { // one period of the mirrored samples
		first += splineGain * c[mirror(k, n)] * power
		power *= z
	}
	for k := range c {
		c[k] *= splineGain
	}
	c[0] = first / (1 - power)
	for k := 1; k < n; k++ {
		c[k] += z * c[k-1]
	}
	c[n-1] = z / (z*z - 1) * (c[n-1] + z*c[n-2])
	for k := n - 2; k >= 0; k-- {
		c[k] = z * (c[k+1] - c[k])
	}
}

// splineAt is the matrix that interpolates n samples at positions by a cubic
// B-spline: coefficients and evaluation in one.
func splineAt(at []float64, n int) matrix {
	coefficients := newMatrix(n, n) // row k: what sample k contributes to each coefficient
	for k := range n {
		row := coefficients.row(k)
		row[k] = 1
		splineCoefficients(row)
	}
	m := newMatrix(len(at), n)
	for i, u := range at {
		b := math.Floor(u)
		t := u - b
		w := [4]float64{
			(1 - t) * (1 - t) * (1 - t) / 6,
			2./3 - t*t + t*t*t/2,
			2./3 - (1-t)*(1-t) + (1-t)*(1-t)*(1-t)/2,
			t * t * t / 6,
		}
		row := m.row(i)
		for k := range row {
			c := coefficients.row(k)
			for j, wj := range w {
				row[k] += wj * c[mirror(int(b)-1+j, n)]
			}
		}
	}
	return m
}
