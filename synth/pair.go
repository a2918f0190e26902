package synth

import (
	"fmt"
	"math"

	"voxgrad/augment"
	"voxgrad/internal/settings"
)

// LesionOptions state how lesions are drawn into anatomies, and how two time points differ. Every range is this project's choice.
type LesionOptions struct {
	CountMean float64 `toml:"count_mean" comment:"lesions of a litre of brain that are in the first scan: the median of a log-normal distribution"`
	CountSD   float64 `toml:"count_sd" comment:"standard deviation of its logarithm"`
	NewMax    int     `toml:"new_max" comment:"pairs: most new lesions in a patch; all numbers up to it are equally likely"`
	NewLarge  float64 `toml:"new_large" comment:"pairs: probability that a new lesion's shape is drawn in proportion to its volume; else all shapes are equally likely, and most are small"`

	Periventricular float64 `toml:"periventricular" comment:"weight of places at most 3 mm from the ventricles"`
	NearVentricles  float64 `toml:"near_ventricles" comment:"weight of white matter from there to 10 mm"`
	Juxtacortical   float64 `toml:"juxtacortical" comment:"weight of white matter at the cortex"`
	DeepWhite       float64 `toml:"deep_white" comment:"weight of other white matter"`
	Infratentorial  float64 `toml:"infratentorial" comment:"weight of brain stem and cerebellum"`

	Confluent   float64 `toml:"confluent" comment:"probability of confluent lesions along the ventricles"`
	ConfluentMM float64 `toml:"confluent_mm" comment:"how far from the ventricles they reach at most"`

	Faint  float64 `toml:"faint" comment:"contrast of the faintest lesions: the mean over a lesion, as a share of white matter's intensity"`
	Bright float64 `toml:"bright" comment:"contrast of the brightest"`
	SoftSD float64 `toml:"soft_sd" comment:"largest standard deviation of a lesion's border, voxels"`
	ZoomSD float64 `toml:"zoom_sd" comment:"standard deviation of the logarithm of a shape's stretch"`
	RimMax float64 `toml:"rim_max" comment:"brightest rim of the ventricles, as a share of white matter's intensity"`
	RimMM  float64 `toml:"rim_mm" comment:"widest"`
	PSFMax float64 `toml:"psf_max" comment:"largest standard deviation of the scanner's point spread, voxels"`

	Vessels      float64 `toml:"vessels" comment:"bright vessels of a litre of brain; 0: none"`
	VesselBright float64 `toml:"vessel_bright" comment:"contrast of the brightest vessel, as a share of white matter's intensity"`
	VesselMM     float64 `toml:"vessel_mm" comment:"length of the longest; the shortest are dots"`
	VesselSeen   float64 `toml:"vessel_seen" comment:"probability that a vessel is bright in a scan, of each time point by itself"`

	Gone      float64 `toml:"gone" comment:"pairs: probability that a lesion of the first scan vanishes"`
	Grown     float64 `toml:"grown" comment:"that it grows"`
	Shrunk    float64 `toml:"shrunk" comment:"that it shrinks; else it stays"`
	MoveMM    float64 `toml:"move_mm" comment:"pairs: standard deviation of the residual shift along each axis"`
	MoveTurn  float64 `toml:"move_degrees" comment:"of the residual turn about each axis"`
	MoveBend  float64 `toml:"move_bend_mm" comment:"largest standard deviation of a residual smooth deformation"`
	AtrophyMM float64 `toml:"atrophy_mm" comment:"pairs: the ventricles' walls move outward by up to so much until the second scan; 0: not"`
	MaskError float64 `toml:"mask_error_mm" comment:"largest standard deviation of the brain mask's surface"`
	Centred   float64 `toml:"centred" comment:"share of patches that are centred near a likely place of lesions; else anywhere in the brain"`
}

// DefaultLesions are the documented choices.
func DefaultLesions() LesionOptions {
	return LesionOptions{
		CountMean: 30, CountSD: 0.9, NewMax: 3,
		Periventricular: 0.35, NearVentricles: 0.2, Juxtacortical: 0.15, DeepWhite: 0.2, Infratentorial: 0.1,
		Confluent: 0.25, ConfluentMM: 14,
		Faint: 0.12, Bright: 0.6, SoftSD: 1, ZoomSD: 0.25, RimMax: 0.5, RimMM: 4, PSFMax: 0.8,
		VesselBright: 0.5, VesselMM: 25, VesselSeen: 0.7,
		Gone: 0.08, Grown: 0.1, Shrunk: 0.05,
		MoveMM: 0.35, MoveTurn: 0.4, MoveBend: 0.5, MaskError: 1.5, Centred: 0.8,
	}
}

// Check reports what is wrong with the options, in words of the config file.
func (l LesionOptions) Check() error {
	for _, err := range []error{
		settings.Within("count_mean", l.CountMean, 0, 1e4),
		settings.Within("count_sd", l.CountSD, 0, 5),
		settings.Within("new_max", l.NewMax, 0, 1000),
		settings.Within("new_large", l.NewLarge, 0, 1),
		settings.Within("periventricular", l.Periventricular, 0, 1),
		settings.Within("near_ventricles", l.NearVentricles, 0, 1),
		settings.Within("juxtacortical", l.Juxtacortical, 0, 1),
		settings.Within("deep_white", l.DeepWhite, 0, 1),
		settings.Within("infratentorial", l.Infratentorial, 0, 1),
		settings.Above("the weights of the sites", l.Periventricular+l.NearVentricles+l.Juxtacortical+l.DeepWhite+l.Infratentorial),
		settings.Within("confluent", l.Confluent, 0, 1),
		settings.Within("confluent_mm", l.ConfluentMM, 1, rimBits),
		settings.Within("faint", l.Faint, 0, l.Bright),
		settings.Within("bright", l.Bright, 0, 10),
		settings.Within("soft_sd", l.SoftSD, 0, 3),
		settings.Within("zoom_sd", l.ZoomSD, 0, 1),
		settings.Within("rim_max", l.RimMax, 0, 10),
		settings.Within("rim_mm", l.RimMM, 1, rimBits),
		settings.Within("psf_max", l.PSFMax, 0, 5),
		settings.Within("gone, grown and shrunk together", l.Gone+l.Grown+l.Shrunk, 0, 1),
		settings.Within("gone", l.Gone, 0, 1), settings.Within("grown", l.Grown, 0, 1), settings.Within("shrunk", l.Shrunk, 0, 1),
		settings.Within("vessels", l.Vessels, 0, 1e4),
		settings.Within("vessel_bright", l.VesselBright, 0, 10),
		settings.Within("vessel_mm", l.VesselMM, 0, 200),
		settings.Within("vessel_seen", l.VesselSeen, 0, 1),
		settings.Within("atrophy_mm", l.AtrophyMM, 0, 5),
		settings.Within("move_mm", l.MoveMM, 0, 10),
		settings.Within("move_degrees", l.MoveTurn, 0, 20),
		settings.Within("move_bend_mm", l.MoveBend, 0, 5),
		settings.Within("mask_error_mm", l.MaskError, 0, 10),
		settings.Within("centred", l.Centred, 0, 1),
	} {
		if err != nil {
			return fmt.Errorf("labels: %w", err)
		}
	}
	return nil
}

// Kind is what becomes of a drawn lesion between the time points.
type Kind uint8

// The kinds.
const (
	Stays Kind = iota
	Appears
	Vanishes
	Grows
	Shrinks
)

func (k Kind) String() string { return [...]string{"stays", "new", "gone", "grown", "shrunk"}[k] }

// Planted is a lesion that was drawn into an anatomy.
type Planted struct {
	Kind     Kind    `json:"kind"`
	Site     Site    `json:"site"`
	Voxels   int     `json:"voxels"`   // at its largest
	Contrast float64 `json:"contrast"` // mean over the lesion, as a share of white matter's intensity
	ShapeOf  string  `json:"shape_of"`
}

// Visits are one or two drawn scans of a patient, before the scanner. D, H, W run along x, y, z and W fastest.
type Visits struct {
	Size    [3]int
	Images  [][]float32 // white matter is about 1
	Brain   []bool      // the brain mask, with its errors
	Lesions [2][]bool   // all lesions of each time point, where the first scan's grid has them
	New     []bool
	Kinds   []uint8 // per voxel 0, or 1 and the Kind of the lesion that is there at either time
	Planted []Planted
}

// DrawVisits draws a patch of one or two FLAIR-like scans of a patient with lesions. It depends on the options, the anatomy,
// the shapes, the size and the stream alone.
func (o HeadOptions) DrawVisits(s *augment.Stream, l LesionOptions, a *Anatomy, lib *Library, size [3]int, times int) (*Visits, error) {
	if err := a.prepare(); err != nil {
		return nil, err
	}
	centre, whole := l.centre(s, a), true
	for p, n := range a.extent {
		whole = whole && float64(size[p])*o.SpacingMM >= float64(n)
	}
	if whole { // a patch with room for all of the brain is about its middle
		centre = a.centre
	}
	w := o.warpAt(s, size, centre, o.ShiftMM)
	v := &Visits{Size: size}
	p := l.plant(s, a, w, lib, v, times)
	if l.Vessels > 0 {
		l.vessels(s, size, w.brain(a, size), p[:times])
	}
	t := o.tissuesOf(s, true)
	t.fields(size)
	mask := w
	mask.nudge(s, size, s.Uniform(0, l.MaskError)/o.SpacingMM, 12/o.SpacingMM)
	v.Brain = mask.brain(a, size)
	rim := rim{float32(s.Uniform(0, l.RimMax)), float32(s.Uniform(1, l.RimMM))}
	for time := range times {
		at := w
		if time > 0 {
			at.move(s, size, l, o.SpacingMM)
			if l.AtrophyMM > 0 {
				at.atrophy(w, a, size, s.Uniform(0, l.AtrophyMM), o.SpacingMM)
			}
			t = t.again(s, size)
			rim.bright *= float32(math.Exp(0.15 * s.Normal()))
		}
		white := t.white(a)
		image := at.visit(a, t, size, p[time], rim)
		if sd := s.Uniform(0, l.PSFMax); sd > 0.1 {
			image = blur(image, size, sd)
		}
		scale := float32(s.Uniform(0.85, 1.1)) / white
		for i := range image {
			image[i] *= scale
		}
		o.gamma(s, image)
		v.Images = append(v.Images, image)
	}
	return v, nil
}

// centre is the voxel of the anatomy that a patch is about.
func (l LesionOptions) centre(s *augment.Stream, a *Anatomy) [3]float64 {
	want := l.site(s)
	if !s.Bool(l.Centred) {
		want = NoSite
	}
	at := [3]float64{a.centre[0], a.centre[1], a.centre[2]}
	for range 1000 { // a brain fills a tenth of its box at least, white matter at a ventricle a thousandth of it
		i := s.Intn(len(a.voxels))
		if a.voxels[i]&brainBit == 0 || want != NoSite && a.site(i) != want {
			continue
		}
		at = [3]float64{float64(i % a.Size[0]), float64(i / a.Size[0] % a.Size[1]), float64(i / a.Size[0] / a.Size[1])}
		break
	}
	return at
}

// site draws a kind of place.
func (l LesionOptions) site(s *augment.Stream) Site {
	w := [...]float64{l.Periventricular, l.NearVentricles, l.Juxtacortical, l.DeepWhite, l.Infratentorial}
	sum := 0.0
	for _, x := range w {
		sum += x
	}
	for i := range w {
		w[i] /= sum
	}
	return Site(1 + pick(s, w[:]...))
}

// nudge adds a smooth displacement of the brain mask's surface.
func (w *warp) nudge(s *augment.Stream, size [3]int, amount, cell float64) {
	for p := range w.bend {
		f := augment.SmoothField(s, size, cell)
		for i := range f {
			f[i] *= float32(amount)
			if w.bend[p] != nil {
				f[i] += w.bend[p][i]
			}
		}
		w.bend[p] = f
	}
}

// brain is where the anatomy's closed brain is.
func (w warp) brain(a *Anatomy, size [3]int) []bool {
	out := make([]bool, size[0]*size[1]*size[2])
	w.each(size, func(i int, at [3]float32) { out[i] = a.at(at[0]+0.5, at[1]+0.5, at[2]+0.5)&brainBit != 0 })
	return out
}

// move adds what registration has left: where voxel i of the second scan is in the first one's patch.
func (w *warp) move(s *augment.Stream, size [3]int, l LesionOptions, spacing float64) {
	var turn, shift [3]float64
	for p := range 3 {
		turn[p], shift[p] = s.Normal()*l.MoveTurn*math.Pi/180, s.Normal()*l.MoveMM/spacing
	}
	amount := float32(s.Uniform(0, l.MoveBend) / spacing)
	for p := range 3 {
		w.moved[p] = augment.SmoothField(s, size, 16/spacing)
	}
	i := 0
	for d := range size[0] {
		for h := range size[1] {
			for x := range size[2] {
				r := [3]float64{float64(d) - float64(size[0]-1)/2, float64(h) - float64(size[1]-1)/2, float64(x) - float64(size[2]-1)/2}
				for p := range 3 {
					q, k := (p+1)%3, (p+2)%3 // a small turn: r + turn × r
					w.moved[p][i] = w.moved[p][i]*amount + float32(shift[p]+turn[q]*r[k]-turn[k]*r[q])
				}
				i++
			}
		}
	}
}

// again is the same tissues in another scanner: contrast differs somewhat, and flow brightens other places.
func (t *tissues) again(s *augment.Stream, size [3]int) *tissues {
	u := *t
	u.field[2] = augment.SmoothField(s, size, t.cells[2])
	for c := range classes {
		f := float32(math.Exp(0.05 * s.Normal()))
		u.mean[c] *= f
		u.change[c] *= f
		u.other[c] *= float32(math.Exp(0.1 * s.Normal()))
	}
	return &u
}
