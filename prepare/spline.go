package prepare

import (
	"math"

	"voxgrad/internal/par"
	"voxgrad/volume"
)

// Field is a smooth function on the voxels of a scan: a cubic B-spline of few control points,
// the logarithm of a multiplicative field. Beyond the box it was fitted in, its values at the
// border continue.
type Field struct {
	grid volume.Grid // of the scan
	axes [3]knots
	coef []float64 // first axis fastest
}

// knots are the control points along an axis of the scan: lo and hi, voxel positions, are the
// ends of spans of equal length.
type knots struct {
	lo, hi float64
	spans  int
}

// points is the number of control points.
func (k knots) points() int { return k.spans + 3 }

// at is the first of the four control points that matter at voxel position x, and the cubic
// B-spline's values there.
func (k knots) at(x float64) (first int, w [4]float64) {
	s := float64(k.spans)
	if k.hi > k.lo {
		s *= (min(max(x, k.lo), k.hi) - k.lo) / (k.hi - k.lo)
	} else {
		s = 0
	}
	first = min(int(s), k.spans-1)
	t := s - float64(first)
	u := 1 - t
	return first, [4]float64{u * u * u / 6, 2.0/3 - t*t + t*t*t/2, 2.0/3 - u*u + u*u*u/2, t * t * t / 6}
}

// basis is knots.at for positions a, a+step, … of n samples.
type basis struct {
	points int
	first  []int
	w      [][4]float64
}

func (k knots) basis(a, step float64, n int) basis {
	b := basis{k.points(), make([]int, n), make([][4]float64, n)}
	for i := range n {
		b.first[i], b.w[i] = k.at(a + step*float64(i))
	}
	return b
}

// spline evaluates and fits fields on a regular grid of samples, axis by axis.
type spline struct {
	axes [3]basis
}

func (s *spline) size() (n, points [3]int) {
	for a, b := range s.axes {
		n[a], points[a] = len(b.first), b.points
	}
	return n, points
}

// eval is the spline at the samples of slice k.
func (s *spline) eval(coef []float64, k int, out []float64) {
	n, p := s.size()
	x, y, z := &s.axes[0], &s.axes[1], &s.axes[2]
	plane := make([]float64, p[0]*p[1])
	for c := range 4 {
		w := z.w[k][c]
		for i, v := range coef[(z.first[k]+c)*len(plane):][:len(plane)] {
			plane[i] += w * v
		}
	}
	line := make([]float64, p[0])
	for j := range n[1] {
		clear(line)
		for b := range 4 {
			w := y.w[j][b]
			for i, v := range plane[(y.first[j]+b)*p[0]:][:p[0]] {
				line[i] += w * v
			}
		}
		row := out[j*n[0]:][:n[0]]
		for i := range row {
			f, w := x.first[i], &x.w[i]
			row[i] = w[0]*line[f] + w[1]*line[f+1] + w[2]*line[f+2] + w[3]*line[f+3]
		}
	}
}

// evalAll is the spline at all samples.
func (s *spline) evalAll(coef, out []float64) {
	n, _ := s.size()
	par.For(n[2], func(k int) { s.eval(coef, k, out[k*n[0]*n[1]:][:n[0]*n[1]]) })
}

// project is, for each control point, the sum of its basis function times the values: the
// right side of the normal equations.
func (s *spline) project(values []float64) []float64 {
	n, p := s.size()
	x, y, z := &s.axes[0], &s.axes[1], &s.axes[2]
	planes := make([]float64, n[2]*p[0]*p[1])
	par.For(n[2], func(k int) {
		plane := planes[k*p[0]*p[1]:][:p[0]*p[1]]
		line := make([]float64, p[0])
		for j := range n[1] {
			clear(line)
			for i, v := range values[(k*n[1]+j)*n[0]:][:n[0]] {
				f, w := x.first[i], &x.w[i]
				for a := range 4 {
					line[f+a] += w[a] * v
				}
			}
			for b := range 4 {
				w := y.w[j][b]
				for i, v := range line {
					plane[(y.first[j]+b)*p[0]+i] += w * v
				}
			}
		}
	})
	out := make([]float64, p[0]*p[1]*p[2])
	for k := range n[2] {
		for c := range 4 {
			w := z.w[k][c]
			for i, v := range planes[k*p[0]*p[1]:][:p[0]*p[1]] {
				out[(z.first[k]+c)*p[0]*p[1]+i] += w * v
			}
		}
	}
	return out
}

// normal is the matrix of the normal equations of a weighted fit with a penalty on the second
// differences of the control points, by which those far from any sample follow the rest; as
// its Cholesky factor. It is a band: control points more than three apart along the slowest
// axis have no sample in common.
func (s *spline) normal(weight []float64, stiffness float64) *banded {
	n, p := s.size()
	x, y, z := &s.axes[0], &s.axes[1], &s.axes[2]
	total := 0.0
	for _, w := range weight {
		total += w
	}
	size := p[0] * p[1] * p[2]
	m := newBanded(size, 3*p[0]*p[1]+3*p[0]+3)
	// Slabs of control points are filled side by side, each from the slices that it reaches.
	par.For(p[2], func(slab int) {
		for k := range n[2] {
			c := slab - z.first[k]
			if c < 0 || c > 3 {
				continue
			}
			for j := range n[1] {
				for i, w := range weight[(k*n[1]+j)*n[0]:][:n[0]] {
					if w == 0 {
						continue
					}
					w *= z.w[k][c]
					for b := range 4 {
						wb := w * y.w[j][b]
						for a := range 4 {
							wa := wb * x.w[i][a]
							r := (slab*p[1]+y.first[j]+b)*p[0] + x.first[i] + a
							row := m.row(r)
							for c2 := range c + 1 {
								wc := wa * z.w[k][c2]
								for b2 := range 4 {
									wb2 := wc * y.w[j][b2]
									at := ((z.first[k]+c2)*p[1]+y.first[j]+b2)*p[0] + x.first[i]
									for a2 := range 4 {
										if at+a2 <= r {
											row[at+a2-r+m.width] += wb2 * x.w[i][a2]
										}
									}
								}
							}
						}
					}
				}
			}
		}
	})
	penalty := stiffness * total / float64(size)
	stride := [3]int{1, p[0], p[0] * p[1]}
	for r := range size {
		at := [3]int{r % p[0], r / p[0] % p[1], r / p[0] / p[1]}
		for a := range 3 {
			if at[a] < 2 {
				continue
			}
			// (c[r] − 2 c[r−s] + c[r−2s])²
			d := [3]float64{1, -2, 1}
			for q := range 3 {
				for q2 := q; q2 < 3; q2++ {
					m.row(r - q*stride[a])[(q-q2)*stride[a]+m.width] += penalty * d[q] * d[q2]
				}
			}
		}
		m.row(r)[m.width] += 1e-6 * penalty
	}
	m.factor()
	return m
}

// banded is the lower half of a symmetric matrix with as many diagonals as width below the
// main one, and then its Cholesky factor. Row r holds columns r−width to r.
type banded struct {
	n, width int
	a        []float64
}

func newBanded(n, width int) *banded {
	width = min(width, n-1)
	return &banded{n, width, make([]float64, n*(width+1))}
}

func (m *banded) row(r int) []float64 { return m.a[r*(m.width+1):][:m.width+1] }

func (m *banded) factor() {
	for i := range m.n {
		ri := m.row(i)
		for j := max(0, i-m.width); j <= i; j++ {
			rj := m.row(j)
			lo := max(0, i-m.width, j-m.width)
			a, b := ri[lo-i+m.width:j-i+m.width], rj[lo-j+m.width:m.width]
			s := ri[j-i+m.width]
			for k, v := range a {
				s -= v * b[k]
			}
			if i == j {
				ri[m.width] = math.Sqrt(max(s, 1e-12*ri[m.width]))
			} else {
				ri[j-i+m.width] = s / rj[m.width]
			}
		}
	}
}

// solve is x with the matrix times x = b.
func (m *banded) solve(b []float64) []float64 {
	x := append([]float64(nil), b...)
	for i := range x {
		r := m.row(i)
		s := x[i]
		for j := max(0, i-m.width); j < i; j++ {
			s -= r[j-i+m.width] * x[j]
		}
		x[i] = s / r[m.width]
	}
	for i := len(x) - 1; i >= 0; i-- {
		r := m.row(i)
		x[i] /= r[m.width]
		for j := max(0, i-m.width); j < i; j++ {
			x[j] -= r[j-i+m.width] * x[i]
		}
	}
	return x
}

// On is the multiplicative field on a grid of the same world: what a scan there is divided by.
func (f *Field) On(g volume.Grid) *volume.Volume {
	out := volume.New(g)
	if g.Size == f.grid.Size && g.Affine == f.grid.Affine {
		s := f.spline(1, g.Size)
		slice := g.Size[0] * g.Size[1]
		par.For(g.Size[2], func(k int) {
			values := make([]float64, slice)
			s.eval(f.coef, k, values)
			for i, v := range values {
				out.Data[k*slice+i] = float32(math.Exp(v))
			}
		})
		return out
	}
	own := f.On(f.grid) // smooth, so that interpolation costs nothing
	return extended(own, g, volume.Identity)
}

// extended is v on g through a transform from its world to that of v, with the border's values
// continued.
func extended(v *volume.Volume, g volume.Grid, t volume.Transform) *volume.Volume {
	out := volume.New(g)
	m := v.Affine.Inverse().Mul(t).Mul(g.Affine)
	par.For(g.Size[2], func(k int) {
		for j := range g.Size[1] {
			for i := range g.Size[0] {
				out.Data[g.Index(i, j, k)] = clamped(v, m.Apply([3]float64{float64(i), float64(j), float64(k)}))
			}
		}
	})
	return out
}

// clamped is the trilinear value at the voxel position nearest to q inside the image.
func clamped(v *volume.Volume, q [3]float64) float32 {
	var at [3]int
	var t [3]float64
	for a := range q {
		x := min(max(q[a], 0), float64(v.Size[a]-1))
		at[a] = min(int(x), max(v.Size[a]-2, 0))
		t[a] = x - float64(at[a])
	}
	sum := 0.0
	for n := range 8 {
		w, c := 1.0, at
		for a := range 3 {
			if n>>a&1 == 1 {
				w *= t[a]
				c[a] = min(c[a]+1, v.Size[a]-1)
			} else {
				w *= 1 - t[a]
			}
		}
		sum += w * float64(v.At(c[0], c[1], c[2]))
	}
	return float32(sum)
}

// spline is the field's on samples every step voxels of its grid.
func (f *Field) spline(step int, n [3]int) *spline {
	s := &spline{}
	for a := range 3 {
		s.axes[a] = f.axes[a].basis(0, float64(step), n[a])
	}
	return s
}
