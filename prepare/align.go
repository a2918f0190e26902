package prepare

import (
	"math"

	"voxgrad/internal/par"
	"voxgrad/volume"
)

// pose is where two scans lie: transforms from points of the space between them to points
// of each.
type pose [2]volume.Transform

// between is the motion from points of the first scan to points of the second.
func (p pose) between() volume.Transform { return p[1].Mul(p[0].Inverse()) }

// halfway is the pose of a rigid motion in which both scans move by half of it.
func halfway(m volume.Transform) pose {
	h := half(m)
	return pose{h.Inverse(), h}
}

// freedom is what an alignment may change.
type freedom int

const (
	rigid  freedom = 6
	affine freedom = 12
)

// aligner improves the pose of two levels by Gauss-Newton steps on the differences of their
// locally normalised images, with Tukey's weights, by which lesions, moved skin and what is
// not in both scans count little (Reuter, Rosas and Fischl, "Highly accurate inverse
// consistent registration: a robust approach", NeuroImage 2010). Both images are moved and both
// gradients count, so that neither is treated differently.
type aligner struct {
	levels [2]*level
	free   freedom
	// fixed keeps the first transform as it is (the atlas'); otherwise motions are shared.
	fixed bool
}

// fit is how well two scans match in a pose.
type fit struct {
	correlation float64 // of the locally normalised images, over what counts in both
	overlap     float64 // of what counts in one scan, the share that does in the other: the smaller of both scans
	spread      float64 // robust standard deviation of the differences
	voxels      float64 // sum of weights
}

// tukey is the tuning constant of the biweight: 95 % efficiency for normal differences.
const tukey = 4.685

// moved is the two levels on one grid.
type moved struct {
	grid   volume.Grid
	image  [2][]float32
	weight []float32 // product of both
}

func (a *aligner) move(p pose) (m moved, fits fit) {
	m.grid = a.grid(p)
	var w [2][]float32
	for n, l := range a.levels {
		m.image[n] = volume.ResampleThrough(l.image, m.grid, p[n], volume.Linear, 0).Data
		w[n] = volume.ResampleThrough(l.weight, m.grid, p[n], volume.Linear, 0).Data
	}
	m.weight = w[0]
	slice := m.grid.Size[0] * m.grid.Size[1]
	sums := make([][6]float64, m.grid.Size[2])
	par.For(m.grid.Size[2], func(k int) {
		var s [6]float64
		for x := k * slice; x < (k+1)*slice; x++ {
			s[4] += float64(w[0][x])
			s[5] += float64(w[1][x])
			ww := w[0][x] * w[1][x]
			m.weight[x] = ww
			if ww == 0 {
				continue
			}
			f, g, h := float64(m.image[0][x]), float64(m.image[1][x]), float64(ww)
			s[0] += h * f * f
			s[1] += h * g * g
			s[2] += h * f * g
			s[3] += h
		}
		sums[k] = s
	})
	var s [6]float64
	for _, t := range sums {
		for n, x := range t {
			s[n] += x
		}
	}
	fits.voxels = s[3]
	fits.correlation = s[2] / math.Sqrt(s[0]*s[1]+1e-30)
	fits.overlap = s[3] / max(s[4], s[5], 1)
	return m, fits
}

// grid holds all voxels of the space between that lie in both scans.
func (a *aligner) grid(p pose) volume.Grid {
	lo, hi := [3]float64{-1e9, -1e9, -1e9}, [3]float64{1e9, 1e9, 1e9}
	for n, l := range a.levels {
		inverse := p[n].Inverse().Mul(l.weight.Affine)
		min3, max3 := [3]float64{1e9, 1e9, 1e9}, [3]float64{-1e9, -1e9, -1e9}
		first, last := l.bounds()
		for c := range 8 {
			q := inverse.Apply([3]float64{pick(c&1, first[0], last[0]), pick(c>>1&1, first[1], last[1]), pick(c>>2, first[2], last[2])})
			for d := range 3 {
				min3[d], max3[d] = min(min3[d], q[d]), max(max3[d], q[d])
			}
		}
		for d := range 3 {
			lo[d], hi[d] = max(lo[d], min3[d]), min(hi[d], max3[d])
		}
	}
	mm := a.levels[0].image.Affine.Spacing()[0]
	var g volume.Grid
	for d := range 3 {
		n := int(math.Floor((hi[d]-lo[d])/mm)) + 1
		g.Size[d] = max(3, n)
		g.Affine[d][d] = mm
		g.Affine[d][3] = (lo[d]+hi[d])/2 - mm*float64(g.Size[d]-1)/2
	}
	return g
}

func pick(bit, a, b int) float64 {
	if bit == 0 {
		return float64(a)
	}
	return float64(b)
}

// bounds are the first and last voxels that count.
func (l *level) bounds() (lo, hi [3]int) {
	m := l.weight.Above(0)
	lo, hi = m.Bounds()
	for d := range hi {
		hi[d] = max(hi[d]-1, lo[d])
	}
	return lo, hi
}

// align iterates from a pose until steps are below tolerance mm, at most steps times.
func (a *aligner) align(p pose, steps int, tolerance float64) (pose, fit) {
	best, bestFit := p, fit{correlation: -2}
	for n := 0; ; n++ {
		m, f := a.move(p)
		if f.correlation > bestFit.correlation || n == 0 {
			best, bestFit = p, f
		}
		if f.voxels < 50 {
			return best, bestFit
		}
		var d motion
		var ok bool
		d, bestFit.spread, ok = a.step(m)
		if n == steps || !ok {
			return best, bestFit
		}
		far := a.reach(m.grid, d)
		limit := 2 * m.grid.Affine[0][0]
		f1 := min(1, limit/far)
		p = a.apply(p, d, f1)
		if far < tolerance {
			_, f := a.move(p)
			if f.correlation >= bestFit.correlation-1e-4 {
				f.spread = bestFit.spread
				return p, f
			}
			return best, bestFit
		}
	}
}

// apply makes a step of a motion times f.
func (a *aligner) apply(p pose, d motion, f float64) pose {
	if a.fixed {
		return pose{p[0], p[1].Mul(d.exp(f))}
	}
	return halfway(orthogonal(p[1].Mul(d.exp(f)).Mul(p[0].Inverse())))
}

// reach is the root mean square of how far a motion moves points at a head's radius.
func (a *aligner) reach(g volume.Grid, d motion) float64 {
	const radius = 60
	sum := 0.0
	for r := range 3 {
		sum += d.shift[r] * d.shift[r]
		for c := range 3 {
			sum += radius * radius / 3 * d.turn[r][c] * d.turn[r][c]
		}
	}
	return math.Sqrt(sum)
}

// step solves for the motion that brings the images closest.
func (a *aligner) step(m moved) (d motion, spread float64, ok bool) {
	g := m.grid
	nx, ny := g.Size[0], g.Size[1]
	slice := nx * ny
	spread = robustSpread(m)
	if spread == 0 {
		return d, 0, false
	}
	cut := float32(tukey * spread)
	centre := g.Centre()
	mm := g.Affine[0][0]
	np := int(a.free)
	sums := make([][12 * 13]float64, g.Size[2])
	mean := make([]float32, len(m.image[0]))
	par.Chunks(len(mean), 1<<14, func(lo, hi int) {
		for x := lo; x < hi; x++ {
			mean[x] = (m.image[0][x] + m.image[1][x]) / 2
		}
	})
	par.For(g.Size[2], func(k int) {
		if k == 0 || k == g.Size[2]-1 {
			return
		}
		s := &sums[k]
		var j [12]float64
		for y := 1; y < ny-1; y++ {
			for i := 1; i < nx-1; i++ {
				x := k*slice + y*nx + i
				w := m.weight[x]
				if w == 0 {
					continue
				}
				r := m.image[1][x] - m.image[0][x]
				u := r / cut
				if u = 1 - u*u; u <= 0 {
					continue
				}
				weight := float64(w * u * u)
				gx := float64(mean[x+1]-mean[x-1]) / (2 * mm)
				gy := float64(mean[x+nx]-mean[x-nx]) / (2 * mm)
				gz := float64(mean[x+slice]-mean[x-slice]) / (2 * mm)
				q := g.World(float64(i), float64(y), float64(k))
				qx, qy, qz := q[0]-centre[0], q[1]-centre[1], q[2]-centre[2]
				j[0], j[1], j[2] = gx, gy, gz
				if a.free == rigid {
					j[3], j[4], j[5] = qy*gz-qz*gy, qz*gx-qx*gz, qx*gy-qy*gx
				} else {
					j[3], j[4], j[5] = gx*qx, gx*qy, gx*qz
					j[6], j[7], j[8] = gy*qx, gy*qy, gy*qz
					j[9], j[10], j[11] = gz*qx, gz*qy, gz*qz
				}
				for a := range np {
					wj := weight * j[a]
					row := s[a*13:]
					for b := a; b < np; b++ {
						row[b] += wj * j[b]
					}
					row[12] -= wj * float64(r)
				}
			}
		}
	})
	var h [12][13]float64
	for k := range sums {
		for a := range np {
			for b := a; b < 13; b++ {
				h[a][b] += sums[k][a*13+b]
			}
		}
	}
	for a := range np {
		for b := range a {
			h[a][b] = h[b][a]
		}
	}
	solution, ok := solve(h, np)
	if !ok {
		return d, spread, false
	}
	d.centre = centre
	copy(d.shift[:], solution[:3])
	if a.free == rigid {
		x, y, z := solution[3], solution[4], solution[5]
		d.turn = [3][3]float64{{0, -z, y}, {z, 0, -x}, {-y, x, 0}}
	} else {
		for r := range 3 {
			copy(d.turn[r][:], solution[3+3*r:6+3*r])
		}
	}
	return d, spread, true
}

// solve is Cholesky's for the first n unknowns; the right side is the column 12.
func solve(h [12][13]float64, n int) (x [12]float64, ok bool) {
	for i := range n {
		for j := range i + 1 {
			sum := h[i][j]
			for k := range j {
				sum -= h[i][k] * h[j][k]
			}
			if i > j {
				h[i][j] = sum / h[j][j]
				continue
			}
			if !(sum > 1e-9*h[i][i]) || sum == 0 {
				return x, false
			}
			h[i][i] = math.Sqrt(sum)
		}
	}
	for i := range n {
		x[i] = h[i][12]
		for k := range i {
			x[i] -= h[i][k] * x[k]
		}
		x[i] /= h[i][i]
	}
	for i := n - 1; i >= 0; i-- {
		for k := i + 1; k < n; k++ {
			x[i] -= h[k][i] * x[k]
		}
		x[i] /= h[i][i]
	}
	return x, true
}

// robustSpread is 1.4826 times the median of the absolute differences.
func robustSpread(m moved) float64 {
	const bins, most = 1024, 8
	var count [bins]float64
	total := 0.0
	for x, w := range m.weight {
		if w == 0 {
			continue
		}
		d := float64(m.image[1][x] - m.image[0][x])
		count[min(bins-1, int(math.Abs(d)*bins/most))] += float64(w)
		total += float64(w)
	}
	sum := 0.0
	for b, c := range count {
		if sum += c; sum >= total/2 {
			return 1.4826 * (float64(b) + 0.5) * most / bins
		}
	}
	return 0
}
