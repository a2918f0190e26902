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
				// Only grey matter and what lies outside it.
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
