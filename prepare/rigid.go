package prepare

import (
	"math"

	"voxgrad/volume"
)

// motion is a small change of a transform: points move by shift + turn · (p − centre).
// A rigid one has an antisymmetric turn.
type motion struct {
	turn   [3][3]float64
	shift  [3]float64
	centre [3]float64
}

// exp is the transform that the motion, times f, leads to: for a rigid one a rotation about
// an axis and a shift along with it, by the matrix exponential of the 4×4 generator.
func (m motion) exp(f float64) volume.Transform {
	var g [4][4]float64
	for r := range 3 {
		g[r][3] = f * m.shift[r]
		for c := range 3 {
			g[r][c] = f * m.turn[r][c]
		}
	}
	e := expm(g)
	var t volume.Transform
	for r := range 3 {
		copy(t[r][:], e[r][:])
	}
	return about(t, m.centre)
}

// about is t with its origin moved to a centre.
func about(t volume.Transform, centre [3]float64) volume.Transform {
	return translation(centre).Mul(t).Mul(translation([3]float64{-centre[0], -centre[1], -centre[2]}))
}

func translation(s [3]float64) volume.Transform {
	t := volume.Identity
	for r := range 3 {
		t[r][3] = s[r]
	}
	return t
}

// expm is the exponential of a matrix by scaling and squaring of its series.
func expm(g [4][4]float64) [4][4]float64 {
	norm := 0.0
	for _, row := range g {
		for _, x := range row {
			norm = max(norm, math.Abs(x))
		}
	}
	halvings := 0
	for ; norm > 1.0/16; norm /= 2 {
		halvings++
	}
	scale := math.Ldexp(1, -halvings)
	sum, term := identity4(), identity4()
	for n := 1; n <= 12; n++ {
		term = mul4(term, g)
		for r := range 4 {
			for c := range 4 {
				term[r][c] *= scale / float64(n)
				sum[r][c] += term[r][c]
			}
		}
	}
	for range halvings {
		sum = mul4(sum, sum)
	}
	return sum
}

func identity4() (m [4][4]float64) {
	for r := range 4 {
		m[r][r] = 1
	}
	return m
}

func mul4(a, b [4][4]float64) (c [4][4]float64) {
	for r := range 4 {
		for k := range 4 {
			for n := range 4 {
				c[r][k] += a[r][n] * b[n][k]
			}
		}
	}
	return c
}

// half is the square root of a rigid transform: half the turn about the same axis, and the
// shift with which twice the same is t. A turn by half a circle has no single root; heads
// do not turn that far.
func half(t volume.Transform) volume.Transform {
	// The root of the rotation R is (R + 1) / √(2 + 2 cos θ) made orthogonal: with the quaternion
	// (w, v) of R it is that of (w + 1, v).
	w, v := quaternion(t)
	root := rotation(w+1, v)
	// (S + 1) s = shift, with S the root of R.
	var a volume.Transform
	for r := range 3 {
		for c := range 3 {
			a[r][c] = root[r][c]
		}
		a[r][r]++
	}
	shift := a.Inverse().Apply([3]float64{t[0][3], t[1][3], t[2][3]})
	for r := range 3 {
		root[r][3] = shift[r]
	}
	return root
}

// quaternion is that of the rotation of a rigid transform, with w ≥ 0.
func quaternion(t volume.Transform) (w float64, v [3]float64) {
	// Shepperd's method: the largest of the four is taken from the diagonal.
	trace := t[0][0] + t[1][1] + t[2][2]
	if trace > 0 {
		w = math.Sqrt(1+trace) / 2
		return w, [3]float64{(t[2][1] - t[1][2]) / (4 * w), (t[0][2] - t[2][0]) / (4 * w), (t[1][0] - t[0][1]) / (4 * w)}
	}
	i := 0
	for n := range 3 {
		if t[n][n] > t[i][i] {
			i = n
		}
	}
	j, k := (i+1)%3, (i+2)%3
	v[i] = math.Sqrt(max(0, 1+t[i][i]-t[j][j]-t[k][k])) / 2
	v[j] = (t[j][i] + t[i][j]) / (4 * v[i])
	v[k] = (t[k][i] + t[i][k]) / (4 * v[i])
	w = (t[k][j] - t[j][k]) / (4 * v[i])
	if w < 0 {
		w = -w
		for n := range v {
			v[n] = -v[n]
		}
	}
	return w, v
}

// rotation is that of a quaternion of any length.
func rotation(w float64, v [3]float64) (t volume.Transform) {
	n := math.Sqrt(w*w + v[0]*v[0] + v[1]*v[1] + v[2]*v[2])
	w, x, y, z := w/n, v[0]/n, v[1]/n, v[2]/n
	return volume.Transform{
		{1 - 2*(y*y+z*z), 2 * (x*y - z*w), 2 * (x*z + y*w), 0},
		{2 * (x*y + z*w), 1 - 2*(x*x+z*z), 2 * (y*z - x*w), 0},
		{2 * (x*z - y*w), 2 * (y*z + x*w), 1 - 2*(x*x+y*y), 0},
	}
}

// orthogonal is the rigid transform next to t, which is nearly one: rounding adds up over
// many products.
func orthogonal(t volume.Transform) volume.Transform {
	w, v := quaternion(t)
	r := rotation(w, v)
	for n := range 3 {
		r[n][3] = t[n][3]
	}
	return r
}

// degrees is the angle by which a rigid transform turns.
func degrees(t volume.Transform) float64 {
	w, v := quaternion(t)
	return 2 * math.Atan2(math.Sqrt(v[0]*v[0]+v[1]*v[1]+v[2]*v[2]), w) * 180 / math.Pi
}

// apart is the mean distance between the images of points under two transforms, mm.
func apart(a, b volume.Transform, points [][3]float64) float64 {
	sum := 0.0
	for _, p := range points {
		sum += distance(a.Apply(p), b.Apply(p))
	}
	return sum / float64(max(1, len(points)))
}

func distance(p, q [3]float64) float64 {
	return math.Sqrt((p[0]-q[0])*(p[0]-q[0]) + (p[1]-q[1])*(p[1]-q[1]) + (p[2]-q[2])*(p[2]-q[2]))
}

// nearestRigid is the rigid transform whose turn is the one next to that of t, and which moves
// a centre as t does.
func nearestRigid(t volume.Transform, centre [3]float64) volume.Transform {
	// The polar decomposition by Newton's iteration: the mean of a matrix and its inverse transposed.
	m := t
	for r := range 3 {
		m[r][3] = 0
	}
	for range 30 {
		inv := m.Inverse()
		var next volume.Transform
		for r := range 3 {
			for c := range 3 {
				next[r][c] = (m[r][c] + inv[c][r]) / 2
			}
		}
		m = next
	}
	p, q := t.Apply(centre), m.Apply(centre)
	for r := range 3 {
		m[r][3] = p[r] - q[r]
	}
	return m
}
