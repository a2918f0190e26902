package augment

import (
	"fmt"
	"strings"

	"voxgrad/internal/settings"
	"voxgrad/internal/text"
)

// Orientations of a preset.
const (
	AllOrientations = "all"    // every mirroring and exchange of axes that keeps the shape: 48 of a cube
	MirrorX         = "mirror" // axis 0 mirrored one time in two: TorchIO's default
	NoOrientation   = "none"
)

// Preset describes how often each transform is drawn and from which ranges. Ranges include
// both ends; real numbers are uniform, whole numbers equally likely.
type Preset struct {
	Orientation string         `toml:"orientation" comment:"mirroring and right-angle rotation: all (48 of a cube), mirror (axis 0, one time in two) or none"`
	Bias        BiasDraw       `toml:"bias"`
	Motion      MotionDraw     `toml:"motion"`
	Ghosting    GhostingDraw   `toml:"ghosting"`
	Spike       SpikeDraw      `toml:"spike"`
	Blur        BlurDraw       `toml:"blur"`
	Edge        EdgeDraw       `toml:"edge"`
	AxialMean   AxialMeanDraw  `toml:"axial_mean"`
	Anisotropy  AnisotropyDraw `toml:"anisotropy"`
	Noise       NoiseDraw      `toml:"noise"`
	Space       SpaceDraw      `toml:"space"`
	Gamma       GammaDraw      `toml:"gamma"`
}

// BiasDraw draws a BiasField.
type BiasDraw struct {
	P           float64 `toml:"p" comment:"probability of a bias field"`
	Order       int     `toml:"order" comment:"of the polynomial"`
	Coefficient float64 `toml:"coefficient" comment:"largest size of a coefficient"`
	Gain        bool    `toml:"gain" comment:"draw the constant term too, a gain of the whole image"`
}

// MotionDraw draws a Motion.
type MotionDraw struct {
	P            float64 `toml:"p" comment:"probability of motion"`
	Degrees      float64 `toml:"degrees" comment:"largest angle about each axis"`
	Millimetres  float64 `toml:"millimetres" comment:"largest translation along each axis"`
	MovementsMin int     `toml:"movements_min" comment:"fewest movements"`
	MovementsMax int     `toml:"movements_max" comment:"most movements"`
	Rule         string  `toml:"rule" comment:"safe: the centre of the spectrum stays unmoved; torchio: TorchIO's rule"`
	Centre       string  `toml:"centre" comment:"of rotations: image (its centre) or corner (the first voxel, as TorchIO with an identity affine)"`
}

// GhostingDraw draws a Ghosting along any axis.
type GhostingDraw struct {
	P            float64 `toml:"p" comment:"probability of ghosting"`
	NumMin       int     `toml:"num_min" comment:"fewest ghosts"`
	NumMax       int     `toml:"num_max" comment:"most ghosts"`
	IntensityMin float64 `toml:"intensity_min" comment:"weakest"`
	IntensityMax float64 `toml:"intensity_max" comment:"strongest"`
}

// SpikeDraw draws a Spike.
type SpikeDraw struct {
	P            float64 `toml:"p" comment:"probability of spikes"`
	NumMin       int     `toml:"num_min" comment:"fewest spikes"`
	NumMax       int     `toml:"num_max" comment:"most spikes"`
	IntensityMin float64 `toml:"intensity_min" comment:"weakest"`
	IntensityMax float64 `toml:"intensity_max" comment:"strongest"`
	Maximum      string  `toml:"maximum" comment:"of the spectrum: once, or each (again after each spike, as TorchIO)"`
	BinsFromZero int     `toml:"bins_from_zero" comment:"a spike is at least so many elements from the zero frequency along one axis"`
}

// BlurDraw draws a Blur. Blur, Edge, AxialMean and Anisotropy exclude each other.
type BlurDraw struct {
	P       float64 `toml:"p" comment:"probability of a blur"`
	SDMin   float64 `toml:"sd_min" comment:"smallest standard deviation in mm"`
	SDMax   float64 `toml:"sd_max" comment:"largest standard deviation in mm"`
	PerAxis bool    `toml:"per_axis" comment:"draw one for each axis"`
}

// EdgeDraw draws an Edge.
type EdgeDraw struct {
	P         float64 `toml:"p" comment:"probability of edge enhancement"`
	SDMin     float64 `toml:"sd_min" comment:"smallest standard deviation in mm"`
	SDMax     float64 `toml:"sd_max" comment:"largest standard deviation in mm"`
	AmountMin float64 `toml:"amount_min" comment:"weakest"`
	AmountMax float64 `toml:"amount_max" comment:"strongest"`
}

// AxialMeanDraw draws an AxialMean along axis 2.
type AxialMeanDraw struct {
	P       float64 `toml:"p" comment:"probability of the mean over axial neighbours"`
	SizeMin int     `toml:"size_min" comment:"fewest voxels"`
	SizeMax int     `toml:"size_max" comment:"most voxels"`
	Both    bool    `toml:"both" comment:"even sizes reach one voxel further to either side, at random, instead of always down"`
}

// AnisotropyDraw draws an Anisotropy along any axis.
type AnisotropyDraw struct {
	P         float64        `toml:"p" comment:"probability of anisotropic downsampling"`
	FactorMin float64        `toml:"factor_min" comment:"smallest factor"`
	FactorMax float64        `toml:"factor_max" comment:"largest factor"`
	Kind      AnisotropyKind `toml:"kind" comment:"clamp, torchio (planes beyond the image are 0, factors are float32) or zoom"`
	Up        string         `toml:"up" comment:"interpolation: bspline3 or linear"`
}

// NoiseDraw draws a Noise.
type NoiseDraw struct {
	P     float64 `toml:"p" comment:"probability of noise"`
	SDMin float64 `toml:"sd_min" comment:"smallest standard deviation, the peak of the brain being 1"`
	SDMax float64 `toml:"sd_max" comment:"largest standard deviation"`
}

// Check names the first setting that makes no sense.
func (p Preset) Check() error {
	for _, err := range []error{
		settings.OneOf("orientation", p.Orientation, AllOrientations, MirrorX, NoOrientation),
		settings.Within("bias.p", p.Bias.P, 0, 1),
		settings.Within("bias.order", p.Bias.Order, 0, MaxOrder),
		settings.Within("bias.coefficient", p.Bias.Coefficient, 0, 10),
		settings.Within("motion.p", p.Motion.P, 0, 1),
		settings.Within("motion.degrees", p.Motion.Degrees, 0, 180),
		settings.Within("motion.millimetres", p.Motion.Millimetres, 0, 1000),
		settings.Range("motion.movements", p.Motion.MovementsMin, p.Motion.MovementsMax, 1, 100),
		settings.OneOf("motion.rule", p.Motion.Rule, "safe", "torchio"),
		settings.OneOf("motion.centre", p.Motion.Centre, "image", "corner"),
		settings.Within("ghosting.p", p.Ghosting.P, 0, 1),
		settings.Range("ghosting.num", p.Ghosting.NumMin, p.Ghosting.NumMax, 1, 1000),
		settings.Range("ghosting.intensity", p.Ghosting.IntensityMin, p.Ghosting.IntensityMax, 0, 10),
		settings.Within("spike.p", p.Spike.P, 0, 1),
		settings.Range("spike.num", p.Spike.NumMin, p.Spike.NumMax, 1, 100),
		settings.Range("spike.intensity", p.Spike.IntensityMin, p.Spike.IntensityMax, -100, 100),
		settings.OneOf("spike.maximum", p.Spike.Maximum, "once", "each"),
		settings.Within("spike.bins_from_zero", p.Spike.BinsFromZero, 0, 100),
		settings.Within("blur.p", p.Blur.P, 0, 1),
		settings.Range("blur.sd", p.Blur.SDMin, p.Blur.SDMax, 0, 100),
		settings.Above("blur.sd_max", p.Blur.SDMax),
		settings.Within("edge.p", p.Edge.P, 0, 1),
		settings.Range("edge.sd", p.Edge.SDMin, p.Edge.SDMax, 0, 100),
		settings.Above("edge.sd_max", p.Edge.SDMax),
		settings.Range("edge.amount", p.Edge.AmountMin, p.Edge.AmountMax, 0, 100),
		settings.Above("edge.amount_max", p.Edge.AmountMax),
		settings.Within("axial_mean.p", p.AxialMean.P, 0, 1),
		settings.Range("axial_mean.size", p.AxialMean.SizeMin, p.AxialMean.SizeMax, 1, 100),
		settings.Within("anisotropy.p", p.Anisotropy.P, 0, 1),
		settings.Range("anisotropy.factor", p.Anisotropy.FactorMin, p.Anisotropy.FactorMax, 1, 100),
		Anisotropy{Kind: p.Anisotropy.Kind, Up: p.Anisotropy.Up, Factor: 1}.valid(),
		settings.Within("noise.p", p.Noise.P, 0, 1),
		settings.Range("noise.sd", p.Noise.SDMin, p.Noise.SDMax, 0, 100),
		settings.Above("noise.sd_max", p.Noise.SDMax),
		settings.Within("space.p", p.Space.P, 0, 1),
		settings.Within("space.degrees", p.Space.Degrees, 0, 180),
		settings.Range("space.scale", p.Space.ScaleMin, p.Space.ScaleMax, 0.25, 4),
		settings.Within("space.bend_mm", p.Space.BendMM, 0, 20),
		settings.Within("space.bend_cell_mm", p.Space.BendCellMM, 4, 400),
		settings.Within("gamma.p", p.Gamma.P, 0, 1),
		settings.Range("gamma", p.Gamma.Min, p.Gamma.Max, 0.1, 10),
		p.resolutionSum(),
	} {
		if err != nil {
			return fmt.Errorf("augmentation: %w", err)
		}
	}
	return nil
}

// resolutionSum is an error if the transforms that exclude each other are too likely.
func (p Preset) resolutionSum() error {
	sum := p.Blur.P + p.Edge.P + p.AxialMean.P + p.Anisotropy.P
	if sum > 1+1e-9 {
		return fmt.Errorf("at most one of blur, edge, axial_mean and anisotropy is drawn: the sum of their p is %g and must be at most 1", sum)
	}
	return nil
}

// Names lists the presets.
func Names() []string { return []string{"default", "torchio", "paper-baseline", "none"} }

// Named is the preset of that name: "default", this project's choices within what the
// paper says; "torchio", the ranges and quirks of TorchIO's own defaults, for comparison;
// "paper-baseline", orientations only; "none".
func Named(name string) (Preset, error) {
	p := usual()
	switch name {
	case "default":
	case "torchio":
		torchio(&p)
	case "paper-baseline":
		p.silence()
	case "none":
		p.silence()
		p.Orientation = NoOrientation
	default:
		return p, fmt.Errorf("there is no augmentation preset %q; known are %s%s", name, strings.Join(Names(), ", "), text.DidYouMean(name, Names()))
	}
	return p, nil
}

// usual is the default preset. The paper has the ranges of blur, axial mean,
// anisotropy, noise and motion; probabilities and the other ranges are choices.
func usual() Preset {
	return Preset{
		Orientation: AllOrientations,
		Bias:        BiasDraw{P: 0.30, Order: 3, Coefficient: 0.2},
		Motion:      MotionDraw{P: 0.15, Degrees: 5, Millimetres: 4, MovementsMin: 1, MovementsMax: 3, Rule: "safe", Centre: "image"},
		Ghosting:    GhostingDraw{P: 0.15, NumMin: 4, NumMax: 10, IntensityMin: 0.5, IntensityMax: 1},
		Spike:       SpikeDraw{P: 0.10, NumMin: 1, NumMax: 1, IntensityMin: 0.05, IntensityMax: 0.3, Maximum: "once", BinsFromZero: 3},
		Blur:        BlurDraw{P: 0.125, SDMin: 0.5, SDMax: 1.75},
		Edge:        EdgeDraw{P: 0.125, SDMin: 0.5, SDMax: 1.75, AmountMin: 1, AmountMax: 1},
		AxialMean:   AxialMeanDraw{P: 0.125, SizeMin: 2, SizeMax: 4},
		Anisotropy:  AnisotropyDraw{P: 0.125, FactorMin: 1.5, FactorMax: 4, Kind: Clamp, Up: BSpline3},
		Noise:       NoiseDraw{P: 0.30, SDMin: 0.02, SDMax: 0.1},
		Space:       SpaceDraw{Degrees: 10, ScaleMin: 0.9, ScaleMax: 1.1, BendMM: 1.5, BendCellMM: 24},
		Gamma:       GammaDraw{Min: 0.7, Max: 1.5},
	}
}

// torchio changes what TorchIO does otherwise. It has no edge enhancement and no axial mean.
func torchio(p *Preset) {
	p.Orientation = MirrorX
	p.Bias.Coefficient, p.Bias.Gain = 0.5, true
	p.Motion.Degrees, p.Motion.Millimetres = 10, 10
	p.Motion.MovementsMin, p.Motion.MovementsMax = 2, 2
	p.Motion.Rule, p.Motion.Centre = "torchio", "corner"
	p.Spike.IntensityMin, p.Spike.IntensityMax = 1, 3
	p.Spike.Maximum, p.Spike.BinsFromZero = "each", 0
	p.Blur.SDMin, p.Blur.SDMax, p.Blur.PerAxis = 0, 2, true
	p.Anisotropy.FactorMin, p.Anisotropy.FactorMax = 1.5, 5
	p.Anisotropy.Kind, p.Anisotropy.Up = TorchIO, Linear
	p.Noise.SDMin, p.Noise.SDMax = 0, 0.25
}

// probabilities are those of the transforms of the intensities, in the order of drawing.
func (p *Preset) probabilities() []*float64 {
	return []*float64{
		&p.Bias.P, &p.Motion.P, &p.Ghosting.P, &p.Spike.P,
		&p.Blur.P, &p.Edge.P, &p.AxialMean.P, &p.Anisotropy.P, &p.Noise.P,
	}
}

// silence draws no transform of the intensities.
func (p *Preset) silence() {
	for _, q := range p.probabilities() {
		*q = 0
	}
}

// Each is one preset for each transform of the intensities that p may draw: it always draws
// that one, from the ranges of p, and no other, and leaves the orientation alone.
func (p Preset) Each() (list []Preset) {
	for i, q := range p.probabilities() {
		if *q == 0 {
			continue
		}
		one := p
		one.silence()
		one.Orientation = NoOrientation
		*one.probabilities()[i] = 1
		list = append(list, one)
	}
	return list
}

// Draw draws the transforms of one image of one time point, in the order in which a
// scanner would degrade it: bias field, motion, ghosting, spike, at most one change
// of the resolution, noise. Voxels are 1 mm. The recipe depends on p, size and s alone; s goes on
// behind what was drawn. p must pass Check.
func (p Preset) Draw(s *Stream, size [3]int) Recipe {
	return p.DrawSpaced(s, size, [3]float64{1, 1, 1})
}

// DrawSpaced is Draw for voxels of that size in millimetres.
func (p Preset) DrawSpaced(s *Stream, size [3]int, spacing [3]float64) Recipe {
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
func (p Preset) DrawOrientation(s *Stream, size [3]int) (perm [3]int, flip [3]bool) {
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
func uniform(s *Stream, lo, hi float64) float64 { return hi - (hi-lo)*s.Float64() }

// whole is one of lo, …, hi.
func whole(s *Stream, lo, hi int) int { return lo + s.Intn(hi-lo+1) }

func (d BiasDraw) draw(s *Stream) Transform {
	c := make([]float64, BiasTerms(d.Order))
	for k := range c {
		if k > 0 || d.Gain {
			c[k] = uniform(s, -d.Coefficient, d.Coefficient)
		}
	}
	return BiasField{Order: d.Order, Coefficients: c}
}

func (d MotionDraw) draw(s *Stream, size [3]int, spacing [3]float64) Transform {
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

func (d GhostingDraw) draw(s *Stream) Transform {
	return Ghosting{Num: whole(s, d.NumMin, d.NumMax), Axis: s.Intn(3), Intensity: uniform(s, d.IntensityMin, d.IntensityMax)}
}

func (d SpikeDraw) draw(s *Stream, size [3]int) Transform {
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

// farEnough reports whether a position is as far from the zero frequency as it must, or as
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
func (p Preset) resolution(s *Stream, spacing [3]float64) Transform {
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
		sd := Isotropic(uniform(s, p.Blur.SDMin, p.Blur.SDMax))
		if p.Blur.PerAxis {
			sd[1], sd[2] = uniform(s, p.Blur.SDMin, p.Blur.SDMax), uniform(s, p.Blur.SDMin, p.Blur.SDMax)
		}
		return Blur{Sigma: voxels(sd), Truncate: Truncate}
	case less(p.Edge.P):
		sd := Isotropic(uniform(s, p.Edge.SDMin, p.Edge.SDMax))
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

func (d NoiseDraw) draw(s *Stream) Transform {
	return Noise{Sigma: uniform(s, d.SDMin, d.SDMax), Seed: s.Uint64() >> 11} // JSON numbers are exact below 2⁵³
}
