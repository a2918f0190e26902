package augment

import (
	"voxgrad/internal/rng"
)

// Draw draws the transforms of one image of one time point, in the order in which a
// scanner would spoil it: bias field, motion, ghosting, spike, at most one change
// of the resolution, noise. Voxels are 1 mm. The recipe depends on p, size and s alone; s goes on
// behind what was drawn. p must pass Check.
func (p Preset) Draw(s *rng.Stream, size [3]int) Recipe {
	return p.DrawSpaced(s, size, [3]float64{1, 1, 1})
}

// DrawSpaced is Draw for voxels of that size in millimetres.
func (p Preset) DrawSpaced(s *rng.Stream, size [3]int, spacing [3]float64) Recipe {
	r := Recipe{}
	if s.Bool(p.Bias.P) {
		r = append(r, p.Bias.draw(s))
	}
	if s.Bool(p.Motion.P) {
		r = append(r, p.Motion.draw(s, size, spacing))
	}
	if s.Bool(p.Ghosting.P) {
		r = append(r, p.Ghosting.draw(s))
	}
	if s.Bool(p.Spike.P) {
		r = append(r, p.Spike.draw(s, size))
	}
	if t := p.resolution(s, spacing); t != nil {
		r = append(r, t)
	}
	if s.Bool(p.Noise.P) {
		r = append(r, p.Noise.draw(s))
	}
	return r
}

// DrawOrientation draws the orientation that all time points and masks of a sample
// share; see Orient. Only axes of equal length are exchanged.
func (p Preset) DrawOrientation(s *rng.Stream, size [3]int) (perm [3]int, flip [3]bool) {
	perm = [3]int{0, 1, 2}
	switch p.Orientation {
	case AllOrientations:
		var keep [][3]int
		for _, q := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
			if (Orient{Perm: q}).OutSize(size) == size {
				keep = append(keep, q)
			}
		}
		perm = keep[s.Intn(len(keep))]
		for a := range flip {
			flip[a] = s.Bool(0.5)
		}
	case MirrorX:
		flip[0] = s.Bool(0.5)
	}
	return perm, flip
}

// uniform is uniform in (lo, hi]; lo itself, perhaps a standard deviation of 0, does not occur.
func uniform(s *rng.Stream, lo, hi float64) float64 { return hi - (hi-lo)*s.Float64() }

// whole is one of lo, …, hi.
func whole(s *rng.Stream, lo, hi int) int { return lo + s.Intn(hi-lo+1) }

func (d BiasDraw) draw(s *rng.Stream) Transform {
	c := make([]float64, BiasTerms(d.Order))
	for k := range c {
		if k > 0 || d.Gain {
			c[k] = uniform(s, -d.Coefficient, d.Coefficient)
		}
	}
	return BiasField{Order: d.Order, Coefficients: c}
}

func (d MotionDraw) draw(s *rng.Stream, size [3]int, spacing [3]float64) Transform {
	n := whole(s, d.MovementsMin, d.MovementsMax)
	m := Motion{Safe: d.Rule == "safe", SegmentAxis: 2}
	for range n {
		var angles, shift Triple
		for a := range 3 {
			angles[a] = uniform(s, -d.Degrees, d.Degrees)
		}
		for a := range 3 {
			shift[a] = uniform(s, -d.Millimetres, d.Millimetres)
		}
		m.Degrees, m.Translation = append(m.Degrees, angles), append(m.Translation, shift)
	}
	step := 1 / float64(n+1)
	for k := range n {
		m.Times = append(m.Times, float64(k+1)*step+uniform(s, -0.3*step, 0.3*step))
	}
	affine := Centred(size, spacing)
	if d.Centre == "corner" {
		for a := range 3 {
			affine[a][3] = 0
		}
	}
	m.Affine = &affine
	return m
}

func (d GhostingDraw) draw(s *rng.Stream) Transform {
	return Ghosting{Num: whole(s, d.NumMin, d.NumMax), Axis: s.Intn(3), Intensity: uniform(s, d.IntensityMin, d.IntensityMax)}
}

func (d SpikeDraw) draw(s *rng.Stream, size [3]int) Transform {
	t := Spike{FixedMax: d.Maximum == "once"}
	for range whole(s, d.NumMin, d.NumMax) {
		var p Point
		for {
			for a := range p {
				p[a] = s.Float64()
			}
			if d.farEnough(p, size) {
				break
			}
		}
		t.Positions = append(t.Positions, p)
	}
	t.Intensity = uniform(s, d.IntensityMin, d.IntensityMax)
	return t
}

// farEnough tells whether a position lies as far from the zero frequency as it must, or as
// it can in a small image.
func (d SpikeDraw) farEnough(p Point, size [3]int) bool {
	furthest, possible := 0, 0
	for a, q := range p.Bin(size) {
		zero := size[a] / 2
		furthest, possible = max(furthest, q-zero, zero-q), max(possible, zero)
	}
	return furthest >= min(d.BinsFromZero, possible)
}

// resolution draws one of blur, edge, axial mean and anisotropy, or nil.
func (p Preset) resolution(s *rng.Stream, spacing [3]float64) Transform {
	u := s.Float64()
	less := func(q float64) bool {
		u -= q
		return u < 0
	}
	voxels := func(mm Triple) Triple {
		for a, d := range spacing {
			mm[a] /= d
		}
		return mm
	}
	switch {
	case less(p.Blur.P):
		sd := Same(uniform(s, p.Blur.SDMin, p.Blur.SDMax))
		if p.Blur.PerAxis {
			sd[1], sd[2] = uniform(s, p.Blur.SDMin, p.Blur.SDMax), uniform(s, p.Blur.SDMin, p.Blur.SDMax)
		}
		return Blur{Sigma: voxels(sd), Truncate: Truncate}
	case less(p.Edge.P):
		sd := Same(uniform(s, p.Edge.SDMin, p.Edge.SDMax))
		return Edge{Sigma: voxels(sd), Truncate: Truncate, Amount: uniform(s, p.Edge.AmountMin, p.Edge.AmountMax)}
	case less(p.AxialMean.P):
		m := AxialMean{Axis: 2, Size: whole(s, p.AxialMean.SizeMin, p.AxialMean.SizeMax)}
		if p.AxialMean.Both && s.Bool(0.5) && m.Size%2 == 0 {
			m.Origin = -1
		}
		return m
	case less(p.Anisotropy.P):
		a := Anisotropy{Kind: p.Anisotropy.Kind, Axis: s.Intn(3), Up: p.Anisotropy.Up}
		a.Factor = uniform(s, p.Anisotropy.FactorMin, p.Anisotropy.FactorMax)
		if a.Kind == TorchIO {
			a.Factor = float64(float32(a.Factor))
		}
		return a
	}
	return nil
}

func (d NoiseDraw) draw(s *rng.Stream) Transform {
	return Noise{Sigma: uniform(s, d.SDMin, d.SDMax), Seed: s.Uint64() >> 11} // JSON numbers are exact below 2⁵³
}
