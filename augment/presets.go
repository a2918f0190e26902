package augment

import (
	"fmt"
	"strings"
)

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
		return p, fmt.Errorf("there is no augmentation preset %q; known are %s", name, strings.Join(Names(), ", "))
	}
	return p, nil
}

// usual is the default preset. The paper gives the ranges of blur, axial mean,
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
