package volume

import (
	"math"

	"voxgrad/internal/par"
	"voxgrad/internal/rng"
)

// scan is the FLAIR image of time point t (0 or 1).
func scan(o PhantomOptions, a *anatomy, bodies []body, t int) *Volume {
	s := rng.New(o.Seed, "phantom", "scanner", t)
	v := New(a.grid)
	tissue(o, a, v, s, t)
	addLesions(a, v, bodies, t)
	addArtefacts(o, a, v, t)

	var sigma [3]float64
	for d := range sigma {
		sigma[d] = o.Blur.draw(s)
	}
	gaussianBlur(v.Data, o.Size, o.Spacing, sigma)
	v = misplace(o, v, s)
	acquire(o, a, v, s, t)
	return v
}

// tissue writes the intensities of the healthy head, white matter being 1.
func tissue(o PhantomOptions, a *anatomy, v *Volume, s *rng.Stream, t int) {
	fluid, grey, deep := s.Uniform(0.15, 0.32), s.Uniform(1.14, 1.25), s.Uniform(1.02, 1.12)
	caps, choroid := s.Uniform(0.7, 1.3), s.Uniform(0.2, 1.3)
	widen := 0.0 // mm
	if t == 1 {
		widen = o.Atrophy.draw(rng.New(o.Seed, "phantom", "atrophy"))
	}
	// White matter is not even; most of that is anatomy, a little is the scan's.
	dirty := newLattice(0.2*a.radius, o.Seed, "white matter").field(o.Size, o.Spacing)
	speckle := newLattice(5, o.Seed+uint64(t), "speckle").field(o.Size, o.Spacing)
	// Partial volume: a border is as wide as a voxel.
	wide := math.Cbrt(o.Spacing[0] * o.Spacing[1] * o.Spacing[2])
	par.For(o.Size[2], func(k int) {
		for x := k * o.Size[0] * o.Size[1]; x < (k+1)*o.Size[0]*o.Size[1]; x++ {
			if !a.mask[x] {
				v.Data[x] = float32(fluid) // so that blur does not darken the rim
				continue
			}
			share := func(d float64) float64 { return saturate(0.5 - d/wide) }
			white := 1 + 0.02*float64(dirty[x]) + 0.012*float64(speckle[x])
			c := share(float64(a.cortex[x]))
			i := white + (grey-1)*c
			if g := float64(a.deep[x]) * (1 - c); g > 0 {
				i += (deep - 1) * g
			}
			i += caps * float64(a.cap[x])
			ventricle := share(float64(a.ventricle[x]) - widen)
			wet := max(ventricle, share(float64(a.fluid[x])-0.3*widen))
			i += (fluid - i) * wet
			if ventricle > 0 {
				i += ventricle * choroid * float64(a.choroid[x])
			}
			v.Data[x] = float32(i)
		}
	})
}

// addLesions brightens what is not fluid.
func addLesions(a *anatomy, v *Volume, bodies []body, t int) {
	for _, b := range bodies {
		for n, x := range b.voxels[t] {
			wet := max(saturate(0.5-float64(a.ventricle[x])), saturate(0.5-float64(a.fluid[x])))
			v.Data[x] += float32(b.Contrast[t] * b.share[t][n] * (1 - wet))
		}
	}
}

// addArtefacts puts bright spots (vessels, flow, cortex near the coil) on cortex
// and sulci, a third of them at one time point only.
func addArtefacts(o PhantomOptions, a *anatomy, v *Volume, t int) {
	var places []int
	for x, m := range a.mask {
		if m && a.cortex[x] < 0 && a.fluid[x] > -1 && a.fluid[x] < 1.5 {
			places = append(places, x)
		}
	}
	if len(places) == 0 {
		return
	}
	s := rng.New(o.Seed, "phantom", "artefacts")
	for range o.Artefacts.count(s) {
		centre := places[s.Intn(len(places))]
		gain := s.Uniform(0.15, 0.6)
		var axes [3]float64
		for d := range axes {
			axes[d] = s.Uniform(0.6, 1.5)
		}
		axes[s.Intn(3)] *= s.Uniform(1, 3)
		only, drift := s.Intn(6), [2]float64{1, s.Uniform(0.7, 1.3)}
		if only < 2 && only != t {
			continue
		}
		a.addSpot(v, centre, axes, gain*drift[t])
	}
}

func (a *anatomy) addSpot(v *Volume, centre int, axes [3]float64, gain float64) {
	size := a.grid.Size
	at := [3]int{centre % size[0], centre / size[0] % size[1], centre / size[0] / size[1]}
	var reach [3]int
	for d := range reach {
		reach[d] = int(math.Ceil(3 * axes[d] / a.spacing[d]))
	}
	for k := max(at[2]-reach[2], 0); k <= min(at[2]+reach[2], size[2]-1); k++ {
		for j := max(at[1]-reach[1], 0); j <= min(at[1]+reach[1], size[1]-1); j++ {
			for i := max(at[0]-reach[0], 0); i <= min(at[0]+reach[0], size[0]-1); i++ {
				q := 0.0
				for d, n := range [3]int{i, j, k} {
					q += square(float64(n-at[d]) * a.spacing[d] / axes[d])
				}
				// Only grey matter and what is outside it.
				x := a.grid.Index(i, j, k)
				if a.mask[x] {
					v.Data[x] += float32(gain * math.Exp(-q/2) * saturate(0.5-float64(a.cortex[x])))
				}
			}
		}
	}
}

// misplace moves the head a little, as registration leaves it.
func misplace(o PhantomOptions, v *Volume, s *rng.Stream) *Volume {
	var shift, turn [3]float64
	for d := range shift {
		shift[d] = s.Uniform(-o.ShiftMM, o.ShiftMM)
		turn[d] = s.Uniform(-o.TurnDeg, o.TurnDeg) * math.Pi / 180
	}
	// A small rotation about the middle, which is the world's origin.
	move := Affine{
		{1, -turn[2], turn[1], shift[0]},
		{turn[2], 1, -turn[0], shift[1]},
		{-turn[1], turn[0], 1, shift[2]},
	}
	edge := v.Data[0] // fluid, as everywhere around the head
	moved := Resample(v, Grid{Size: v.Size, Affine: move.Mul(v.Affine)}, Linear, edge)
	moved.Affine = v.Affine
	return moved
}

// acquire applies the contrast curve, the bias field, noise and the scanner's unit,
// and strips everything outside the brain.
func acquire(o PhantomOptions, a *anatomy, v *Volume, s *rng.Stream, t int) {
	gamma, bias, noise := o.Gamma.draw(s), o.Bias.draw(s), o.Noise.draw(s)
	unit := math.Exp(s.Uniform(math.Log(150), math.Log(1200)))
	field := newLattice(0.9*a.radius, o.Seed+uint64(t), "bias").field(o.Size, o.Spacing)
	slice := o.Size[0] * o.Size[1]
	par.For(o.Size[2], func(k int) {
		s := rng.New(o.Seed, "phantom", "noise", t, k)
		for x := k * slice; x < (k+1)*slice; x++ {
			if !a.mask[x] {
				v.Data[x] = 0
				continue
			}
			i := math.Pow(max(float64(v.Data[x]), 0.01), gamma) * math.Exp(bias*float64(field[x]))
			// Rician: the length of a complex signal with normal noise in both parts.
			r := math.Sqrt(-2 * math.Log(1-s.Float64()))
			sin, cos := math.Sincos(2 * math.Pi * s.Float64())
			v.Data[x] = float32(unit * math.Hypot(i+noise*r*cos, noise*r*sin))
		}
	})
}

// latticeSize is the period of a lattice in cells, a power of two.
const latticeSize = 32

// lattice is smooth random noise in space: a cubic B-spline over normal numbers on
// a cubic lattice, mean 0, standard deviation 1, repeated every latticeSize cells.
type lattice struct {
	perMM  float64 // cells per millimetre
	shift  [3]float64
	values []float32
}

// splineSD is the standard deviation of a cubic B-spline over independent unit
// normals in 3D: its squared weights sum to 151/315 per axis, on average over the
// place in a cell.
var splineSD = math.Pow(151.0/315, 1.5)

func newLattice(cellMM float64, seed uint64, name string) *lattice {
	s := rng.New(seed, "phantom", "lattice", name)
	l := &lattice{perMM: 1 / cellMM, values: make([]float32, latticeSize*latticeSize*latticeSize)}
	for d := range l.shift {
		l.shift[d] = s.Uniform(0, latticeSize)
	}
	for n := range l.values {
		l.values[n] = float32(s.Normal() / splineSD)
	}
	return l
}

// at is the noise at a place in millimetres.
func (l *lattice) at(p [3]float64) float64 {
	var w [3][4]float32
	var n [3][4]int
	for d := range 3 {
		n[d], w[d], _ = l.taps(p[d], d)
	}
	return float64(l.sum(&n, &w[0], &w[1], &w[2]))
}

// slope is at and the length of its gradient per millimetre.
func (l *lattice) slope(p [3]float64) (value, slope float64) {
	var w, dw [3][4]float32
	var n [3][4]int
	for d := range 3 {
		n[d], w[d], dw[d] = l.taps(p[d], d)
	}
	x := float64(l.sum(&n, &dw[0], &w[1], &w[2]))
	y := float64(l.sum(&n, &w[0], &dw[1], &w[2]))
	z := float64(l.sum(&n, &w[0], &w[1], &dw[2]))
	return float64(l.sum(&n, &w[0], &w[1], &w[2])), l.perMM * math.Sqrt(x*x+y*y+z*z)
}

// taps are the four lattice places around p mm on axis d, their weights, and the
// derivatives of the weights per cell.
func (l *lattice) taps(p float64, d int) (n [4]int, w, dw [4]float32) {
	x := p*l.perMM + l.shift[d]
	f := math.Floor(x)
	t := float32(x - f)
	for i := range 4 {
		n[i] = (int(f) + i) & (latticeSize - 1)
	}
	u := 1 - t
	w = [4]float32{u * u * u / 6, (3*t*t*t - 6*t*t + 4) / 6, (3*u*u*u - 6*u*u + 4) / 6, t * t * t / 6}
	dw = [4]float32{-u * u / 2, (3*t*t - 4*t) / 2, (4*u - 3*u*u) / 2, t * t / 2}
	return n, w, dw
}

// sum weighs the 64 lattice values around a place.
func (l *lattice) sum(n *[3][4]int, wx, wy, wz *[4]float32) float32 {
	var sum float32
	for k := range 4 {
		for j := range 4 {
			row := l.values[(n[2][k]*latticeSize+n[1][j])*latticeSize:][:latticeSize]
			line := wx[0]*row[n[0][0]] + wx[1]*row[n[0][1]] + wx[2]*row[n[0][2]] + wx[3]*row[n[0][3]]
			sum += wz[k] * wy[j] * line
		}
	}
	return sum
}

// field is l at every voxel of a grid with that spacing, counted from its corner.
// It evaluates l at a third of a cell and interpolates linearly between.
func (l *lattice) field(size [3]int, spacing [3]float64) []float32 {
	var skip, coarse [3]int
	for d := range 3 {
		skip[d] = max(1, int(1/(3*l.perMM*spacing[d])))
		coarse[d] = (size[d]-1)/skip[d] + 2
	}
	c := New(Grid{Size: coarse})
	par.For(coarse[2], func(k int) {
		for j := range coarse[1] {
			for i := range coarse[0] {
				c.Data[c.Index(i, j, k)] = float32(l.at([3]float64{
					float64(i*skip[0]) * spacing[0], float64(j*skip[1]) * spacing[1], float64(k*skip[2]) * spacing[2],
				}))
			}
		}
	})
	out := make([]float32, size[0]*size[1]*size[2])
	par.For(size[2], func(k int) {
		row := make([]float32, coarse[0])
		for j := range size[1] {
			mix := func(a, b, t float32) float32 { return a + (b-a)*t }
			tj, tk := float32(j%skip[1])/float32(skip[1]), float32(k%skip[2])/float32(skip[2])
			at := c.Index(0, j/skip[1], k/skip[2])
			for i := range row {
				x := at + i
				y, z := x+coarse[0], x+coarse[0]*coarse[1]
				row[i] = mix(mix(c.Data[x], c.Data[y], tj), mix(c.Data[z], c.Data[z+coarse[0]], tj), tk)
			}
			line := out[(k*size[1]+j)*size[0]:][:size[0]]
			for i := range line {
				t := float32(i%skip[0]) / float32(skip[0])
				line[i] = mix(row[i/skip[0]], row[i/skip[0]+1], t)
			}
		}
	})
	return out
}

// gaussianBlur smooths data in place with a Gaussian of standard deviation sigma
// (mm, per axis; 0 leaves the axis alone), cut at three sigma; the edge value
// continues beyond the image.
func gaussianBlur(data []float32, size [3]int, spacing, sigma [3]float64) {
	stride := [3]int{1, size[0], size[0] * size[1]}
	for axis := range 3 {
		s := sigma[axis] / spacing[axis]
		reach := int(math.Ceil(3 * s))
		if reach < 1 || size[axis] < 2 {
			continue
		}
		weights := make([]float32, reach+1)
		total := 0.0
		for n := range weights {
			w := math.Exp(-float64(n*n) / (2 * s * s))
			weights[n] = float32(w)
			total += w
			if n > 0 {
				total += w
			}
		}
		for n := range weights {
			weights[n] /= float32(total)
		}
		n, step := size[axis], stride[axis]
		// A slab holds all lines that share the slowest other axis.
		slow := 2
		if axis == 2 {
			slow = 1
		}
		fast := 3 - axis - slow
		par.For(size[slow], func(slab int) {
			line := make([]float32, n+2*reach)
			for f := range size[fast] {
				start := slab*stride[slow] + f*stride[fast]
				for i := range line {
					line[i] = data[start+min(max(i-reach, 0), n-1)*step]
				}
				for i := range n {
					sum := weights[0] * line[i+reach]
					for t := 1; t <= reach; t++ {
						sum += weights[t] * (line[i+reach-t] + line[i+reach+t])
					}
					data[start+i*step] = sum
				}
			}
		})
	}
}

// saturate is x cut to [0, 1].
func saturate(x float64) float64 { return min(max(x, 0), 1) }

func square(x float64) float64 { return x * x }

// OtherContrast is Time2 as another sequence would show it: what is bright is dark, and 0 stays 0.
func (p *Phantom) OtherContrast() *Volume {
	out := p.Time2.Like()
	top := 1.2 * float32(Percentile(p.Time2.Data, 99))
	for x, f := range p.Time2.Data {
		if f > 0 {
			out.Data[x] = max(1, top-f)
		}
	}
	return out
}
