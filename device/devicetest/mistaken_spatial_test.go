package devicetest

import (
	"math"

	"voxgrad/device"
)

// alongMistake multiplies by another matrix than it was given.
type alongMistake struct {
	*oracle
	change func(m []float32, rows, cols int)
}

func (b alongMistake) AlongAxis(y device.Into, x, m device.Tensor, axis int) {
	v := b.Alloc(m.Shape)
	defer b.Free(v)
	copy(b.Data(v), b.Data(m))
	b.change(b.Data(v), m.W, m.C)
	b.oracle.AlongAxis(y, x, v, axis)
}

func lastColumnMissed(m []float32, _, cols int) {
	for i := cols - 1; i < len(m); i += cols {
		m[i] = 0
	}
}

// firstBand takes the columns that the first row needs for those of all rows.
func firstBand(m []float32, _, cols int) {
	lo, hi := cols, 0
	for q, v := range m[:cols] {
		if v != 0 {
			lo, hi = min(lo, q), q+1
		}
	}
	for i := range m {
		if i%cols < lo || i%cols >= hi {
			m[i] = 0
		}
	}
}

func transposed(m []float32, rows, cols int) {
	for p := range rows {
		for q := 0; q < p && rows == cols; q++ {
			m[p*cols+q], m[q*cols+p] = m[q*cols+p], m[p*cols+q]
		}
	}
}

// fromOneEnd stops a row at its first zero.
func fromOneEnd(m []float32, rows, cols int) {
	for p := range rows {
		started, ended := false, false
		for q := range cols {
			v := &m[p*cols+q]
			ended = ended || started && *v == 0
			started = started || *v != 0
			if ended {
				*v = 0
			}
		}
	}
}

// foreignFlips turns round x's axes where y's were meant.
type foreignFlips struct{ *oracle }

func (b foreignFlips) Orient(y, x device.Tensor, perm [3]int, flip [3]bool) {
	var other [3]bool
	for a, p := range perm {
		other[a] = flip[p]
	}
	b.oracle.Orient(y, x, perm, other)
}

// resampleMistake has its own idea of points and borders.
type resampleMistake struct {
	*oracle
	point   func(r [4]float64, i [3]int) float64
	inside  func(c float64, n int) bool
	nearest bool
}

func rightPoint(r [4]float64, i [3]int) float64 {
	return float64(r[0]*float64(i[0])) + float64(r[1]*float64(i[1])) + float64(r[2]*float64(i[2])) + r[3]
}

func fusedPoint(r [4]float64, i [3]int) float64 {
	return math.FMA(r[2], float64(i[2]), math.FMA(r[1], float64(i[1]), r[0]*float64(i[0]))) + r[3]
}

func otherOrder(r [4]float64, i [3]int) float64 {
	return float64(r[0]*float64(i[0])) + float64(float64(r[1]*float64(i[1]))+float64(r[2]*float64(i[2]))) + r[3]
}

func singlePoint(r [4]float64, i [3]int) float64 { return float64(float32(rightPoint(r, i))) }

func rightInside(c float64, n int) bool { return -0.5 <= c && c < float64(n)-0.5 }

func (b resampleMistake) Resample(y, x, outside device.Tensor, to [3][4]float64) {
	b.oracle.Resample(y, x, outside, to) // checks the shapes
	g := x.Grid()
	for p := range y.Rows() {
		i := [3]int{p / (y.H * y.W) % y.D, p / y.W % y.H, p % y.W}
		var near, far [3]int
		var t [3]float64
		in := true
		for a, r := range to {
			c := b.point(r, i)
			if in = in && b.inside(c, g[a]); !in {
				break
			}
			c = min(max(c, 0), float64(g[a]-1))
			if b.nearest {
				c = math.Floor(c + 0.5)
			}
			near[a] = int(c)
			far[a], t[a] = min(near[a]+1, g[a]-1), c-float64(near[a])
		}
		for c := range y.C {
			s := 0.0
			for corner := 0; in && corner < 8; corner++ {
				j, weight := near, 1.0
				for a := range j {
					if corner>>a&1 != 0 {
						j[a], weight = far[a], weight*t[a]
					} else {
						weight *= 1 - t[a]
					}
				}
				s += weight * float64(b.Data(x)[(p/y.Voxels()*x.Voxels()+linear(x.Shape, j[0], j[1], j[2]))*x.C+c])
			}
			if !in {
				s = float64(b.Data(outside)[0])
			}
			b.Data(y)[p*y.C+c] = float32(s)
		}
	}
}

// otherTails rounds the last elements of a vector in another way: within every bound, but
// sums of equal terms are no longer equal.
type otherTails struct{ *oracle }

func (b otherTails) AlongAxis(y device.Into, x, m device.Tensor, axis int) {
	b.oracle.AlongAxis(y, x, m, axis)
	if y.Mode == device.Skip {
		return
	}
	for i, v := range b.Data(y.Tensor) {
		if i%8 > 4 && v != 0 {
			b.Data(y.Tensor)[i] = math.Nextafter32(v, 1e9)
		}
	}
}
