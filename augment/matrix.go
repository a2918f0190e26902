package augment

import (
	"math"

	"voxgrad/device"
)

// matrix is a linear map of one line of voxels: rows of the result, columns of
// what it is made from.
type matrix struct {
	rows, cols int
	a          []float64
}

func newMatrix(rows, cols int) matrix { return matrix{rows, cols, make([]float64, rows*cols)} }

func (m matrix) row(p int) []float64 { return m.a[p*m.cols : (p+1)*m.cols] }

// along does y = m·x, or y += m·x, along an axis. The matrix is rounded to float32
// on its way to the device.
func along(dev Device, y device.Into, x device.Tensor, m matrix, axis int) {
	t := upload(dev, device.Matrix(m.rows, m.cols), m.a)
	dev.AlongAxis(y, x, t, axis)
	dev.Free(t)
}

func upload(dev Device, s device.Shape, values []float64) device.Tensor {
	single := make([]float32, len(values))
	for i, v := range values {
		single[i] = float32(v)
	}
	t := dev.Alloc(s)
	dev.Upload(t, single)
	return t
}

// bounce continues a line of n voxels beyond its ends: … 1 0 0 1 … n−1 n−1 ….
func bounce(p, n int) int {
	p = modulo(p, 2*n)
	if p >= n {
		p = 2*n - 1 - p
	}
	return p
}

// mirror continues a line of n voxels without repeating its ends: … 1 0 1 … n−1 n−2 ….
func mirror(p, n int) int {
	if n == 1 {
		return 0
	}
	p = modulo(p, 2*n-2)
	if p >= n {
		p = 2*n - 2 - p
	}
	return p
}

// modulo is p mod n in [0, n).
func modulo(p, n int) int {
	p %= n
	if p < 0 {
		p += n
	}
	return p
}

// window is the matrix of y[i] = Σ_t w[t]·x[i+lo+t] on a line of n voxels, reflected.
func window(n int, w []float64, lo int) matrix {
	m := newMatrix(n, n)
	for i := range n {
		row := m.row(i)
		for t, wt := range w {
			row[bounce(i+lo+t, n)] += wt
		}
	}
	return m
}

// circulant is the matrix of a circular convolution with h.
func circulant(h []float64) matrix {
	n := len(h)
	m := newMatrix(n, n)
	for p := range n {
		row := m.row(p)
		for q := range n {
			row[q] = h[modulo(p-q, n)]
		}
	}
	return m
}

// twiddles holds cos and sin of 2π·m/n for m in [0, n): cos exactly even and sin exactly
// odd in m, so that transforms of opposite frequencies are exactly conjugate.
type twiddles struct{ cos, sin []float64 }

func newTwiddles(n int) twiddles {
	t := twiddles{make([]float64, n), make([]float64, n)}
	for m := 0; 2*m <= n; m++ {
		c, s := math.Cos(2*math.Pi*float64(m)/float64(n)), math.Sin(2*math.Pi*float64(m)/float64(n))
		if 2*m == n {
			c, s = -1, 0
		}
		t.cos[m], t.sin[m] = c, s
		if m > 0 {
			t.cos[n-m], t.sin[n-m] = c, -s
		}
	}
	return t
}

// weighted is the kernel of a circular convolution that multiplies the spectrum of a
// line by w and keeps the real part; w[k] belongs to frequency k − n/2.
func weighted(w []float64) []float64 {
	n := len(w)
	around := newTwiddles(n)
	h := make([]float64, n)
	for t := range h {
		for k, wk := range w {
			h[t] += wk * around.cos[modulo((k-n/2)*t, n)]
		}
		h[t] /= float64(n)
	}
	return h
}

// fourier returns the cosines and sines of a Fourier transform of a line: element
// (p,q) is that of 2π·(p − n/2)·q/n.
func fourier(n int) (c, s matrix) {
	around := newTwiddles(n)
	c, s = newMatrix(n, n), newMatrix(n, n)
	for p := range n {
		for q := range n {
			m := modulo((p-n/2)*q, n)
			c.row(p)[q], s.row(p)[q] = around.cos[m], around.sin[m]
		}
	}
	return c, s
}

// negative is −m.
func (m matrix) negative() matrix {
	n := newMatrix(m.rows, m.cols)
	for i, v := range m.a {
		n.a[i] = -v
	}
	return n
}

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
