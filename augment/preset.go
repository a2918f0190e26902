package augment

import (
	"fmt"
	"math"
)

// Orientations of a preset.
const (
	AllOrientations = "all"    // every mirroring and exchange of axes that keeps the shape: 48 of a cube
	MirrorX         = "mirror" // axis 0 mirrored one time in two: TorchIO's default
	NoOrientation   = "none"
)

// Preset says how often each transform is drawn and from which ranges. Ranges include
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
	BinsFromZero int     `toml:"bins_from_zero" comment:"a spike lies at least so many elements from the zero frequency along one axis"`
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
		oneOf("orientation", p.Orientation, AllOrientations, MirrorX, NoOrientation),
		between("bias.p", p.Bias.P, 0, 1),
		between("bias.order", float64(p.Bias.Order), 0, MaxOrder),
		between("bias.coefficient", p.Bias.Coefficient, 0, 10),
		between("motion.p", p.Motion.P, 0, 1),
		between("motion.degrees", p.Motion.Degrees, 0, 180),
		between("motion.millimetres", p.Motion.Millimetres, 0, 1000),
		ordered("motion.movements", float64(p.Motion.MovementsMin), float64(p.Motion.MovementsMax), 1, 100),
		oneOf("motion.rule", p.Motion.Rule, "safe", "torchio"),
		oneOf("motion.centre", p.Motion.Centre, "image", "corner"),
		between("ghosting.p", p.Ghosting.P, 0, 1),
		ordered("ghosting.num", float64(p.Ghosting.NumMin), float64(p.Ghosting.NumMax), 1, 1000),
		ordered("ghosting.intensity", p.Ghosting.IntensityMin, p.Ghosting.IntensityMax, 0, 10),
		between("spike.p", p.Spike.P, 0, 1),
		ordered("spike.num", float64(p.Spike.NumMin), float64(p.Spike.NumMax), 1, 100),
		ordered("spike.intensity", p.Spike.IntensityMin, p.Spike.IntensityMax, -100, 100),
		oneOf("spike.maximum", p.Spike.Maximum, "once", "each"),
		between("spike.bins_from_zero", float64(p.Spike.BinsFromZero), 0, 100),
		between("blur.p", p.Blur.P, 0, 1),
		ordered("blur.sd", p.Blur.SDMin, p.Blur.SDMax, 0, 100),
		positive("blur.sd_max", p.Blur.SDMax),
		between("edge.p", p.Edge.P, 0, 1),
		ordered("edge.sd", p.Edge.SDMin, p.Edge.SDMax, 0, 100),
		positive("edge.sd_max", p.Edge.SDMax),
		ordered("edge.amount", p.Edge.AmountMin, p.Edge.AmountMax, 0, 100),
		positive("edge.amount_max", p.Edge.AmountMax),
		between("axial_mean.p", p.AxialMean.P, 0, 1),
		ordered("axial_mean.size", float64(p.AxialMean.SizeMin), float64(p.AxialMean.SizeMax), 1, 100),
		between("anisotropy.p", p.Anisotropy.P, 0, 1),
		ordered("anisotropy.factor", p.Anisotropy.FactorMin, p.Anisotropy.FactorMax, 1, 100),
		Anisotropy{Kind: p.Anisotropy.Kind, Up: p.Anisotropy.Up, Factor: 1}.valid(),
		between("noise.p", p.Noise.P, 0, 1),
		ordered("noise.sd", p.Noise.SDMin, p.Noise.SDMax, 0, 100),
		positive("noise.sd_max", p.Noise.SDMax),
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

func oneOf(name, s string, known ...string) error {
	want := ""
	for i, k := range known {
		if s == k {
			return nil
		}
		if i > 0 {
			want += " or "
		}
		want += k
	}
	return fmt.Errorf("%s = %q: want %s", name, s, want)
}

func between(name string, x, lo, hi float64) error {
	if !(x >= lo && x <= hi) {
		return fmt.Errorf("%s = %g: must be from %g to %g", name, x, lo, hi)
	}
	return nil
}

func positive(name string, x float64) error {
	if !(x > 0) {
		return fmt.Errorf("%s = %g: must be above 0", name, x)
	}
	return nil
}

// ordered is an error unless least ≤ lo ≤ hi ≤ most for name_min and name_max.
func ordered(name string, lo, hi, least, most float64) error {
	if !(lo <= hi) || math.IsNaN(lo) {
		return fmt.Errorf("%s_min = %g is above %s_max = %g", name, lo, name, hi)
	}
	if err := between(name+"_min", lo, least, most); err != nil {
		return err
	}
	return between(name+"_max", hi, least, most)
}
