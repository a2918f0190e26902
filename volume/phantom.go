package volume

import (
	"fmt"
	"math"

	"voxgrad/internal/rng"
)

// Range is a smallest and a largest value, both included.
type Range struct{ Min, Max float64 }

func (r Range) draw(s *rng.Stream) float64 { return s.Uniform(r.Min, r.Max) }

// count draws a whole number.
func (r Range) count(s *rng.Stream) int {
	lo := int(math.Ceil(r.Min))
	return lo + s.Intn(int(math.Floor(r.Max))-lo+1)
}

// PhantomOptions says what NewPhantom makes. Start from DefaultPhantom: the zero
// value is not usable.
type PhantomOptions struct {
	Size    [3]int     // voxels along x, y, z; at least 24 each
	Spacing [3]float64 // mm
	Seed    uint64     // the same options and seed give the same bits

	// How many lesions of each kind; as many of them as find a place are put.
	Unchanged, New, Grown, Shrunk, Vanished Range
	// WithoutNew is the probability that the pair has no new lesion at all.
	WithoutNew float64

	// LesionMM3 bounds the volume of a lesion; the middle is log-normal about the
	// geometric mean of the bounds.
	LesionMM3 Range
	// LesionContrast bounds how much brighter than white matter (1) the middle of a
	// lesion is, also log-normal.
	LesionContrast Range

	Noise   Range   // standard deviation of the noise of a scan, white matter being 1
	Bias    Range   // standard deviation of the logarithm of the bias field
	Gamma   Range   // exponent of the scanner's contrast curve
	Blur    Range   // mm, standard deviation of the point spread
	ShiftMM float64 // largest residual shift of each time point along each axis
	TurnDeg float64 // largest residual rotation about each axis
	Atrophy Range   // mm by which ventricles widen from time 1 to time 2

	// Artefacts is how many bright spots that are not lesions lie on cortex and
	// sulci; a third of them is seen on one scan only.
	Artefacts Range
}

// DefaultPhantom is the phantom of the tests and the demo: 96×112×96 voxels of 1 mm.
func DefaultPhantom(seed uint64) PhantomOptions {
	return PhantomOptions{
		Size:       [3]int{96, 112, 96},
		Spacing:    [3]float64{1, 1, 1},
		Seed:       seed,
		Unchanged:  Range{5, 14},
		New:        Range{1, 5},
		Grown:      Range{0, 2},
		Shrunk:     Range{0, 2},
		Vanished:   Range{0, 2},
		WithoutNew: 0.2,

		LesionMM3:      Range{6, 600},
		LesionContrast: Range{0.2, 0.8},

		Noise:     Range{0.025, 0.06},
		Bias:      Range{0.02, 0.07},
		Gamma:     Range{0.88, 1.15},
		Blur:      Range{0.35, 0.7},
		ShiftMM:   0.2,
		TurnDeg:   0.3,
		Atrophy:   Range{0, 0.3},
		Artefacts: Range{6, 16},
	}
}

// LesionKind says how a phantom's lesion differs between the time points.
type LesionKind string

// A grown or shrunk lesion is present at both time points, and not new.
const (
	Unchanged LesionKind = "unchanged"
	NewLesion LesionKind = "new"
	Grown     LesionKind = "grown"
	Shrunk    LesionKind = "shrunk"
	Vanished  LesionKind = "vanished"
)

// PhantomLesion is one lesion as it was put. Voxels, MM3 and Contrast are those at
// time 1 and time 2; 0 where the lesion is absent.
type PhantomLesion struct {
	Kind     LesionKind
	Voxels   [2]int
	MM3      [2]float64
	Contrast [2]float64 // of its middle, above white matter as 1, before the scanner
	Centroid [3]float64 // mean voxel indices, where it is larger
}

// Phantom is a pair of made-up FLAIR scans of one head, skull-stripped and on one
// grid, and the truth about them. Time1 with Lesions1
// serves where one time point is wanted.
type Phantom struct {
	Time1, Time2       *Volume // intensities in a unit of their own each, 0 outside the brain
	BrainMask          *Mask
	Lesions1, Lesions2 *Mask // all lesions of each time point
	NewLesions         *Mask // those of Kind NewLesion only
	Lesions            []PhantomLesion
}

// NewPhantom makes a phantom. The anatomy is a set of smooth distance fields in
// millimetres (brain, sulci, ventricles, deep nuclei) with partial volume where
// they meet; each time point is scanned with a contrast, bias field, blur, noise,
// residual misregistration and artefacts of its own. Every part draws from a
// random stream of its own, so that the result does not depend on the number of
// cores. It is an error if the options make no sense.
func NewPhantom(o PhantomOptions) (*Phantom, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("phantom: %w", err)
	}
	a := newAnatomy(o)
	bodies := placeLesions(o, a)

	p := &Phantom{BrainMask: NewMask(a.grid), Lesions1: NewMask(a.grid), Lesions2: NewMask(a.grid), NewLesions: NewMask(a.grid)}
	for x, m := range a.mask {
		if m {
			p.BrainMask.Data[x] = true
		}
	}
	for _, b := range bodies {
		p.Lesions = append(p.Lesions, b.PhantomLesion)
		for t, mask := range []*Mask{p.Lesions1, p.Lesions2} {
			for n, x := range b.voxels[t] {
				if b.share[t][n] < 0.5 {
					continue
				}
				mask.Data[x] = true
				if b.Kind == NewLesion {
					p.NewLesions.Data[x] = true
				}
			}
		}
	}
	p.Time1 = scan(o, a, bodies, 0)
	p.Time2 = scan(o, a, bodies, 1)
	return p, nil
}

// Count is the number of lesions of a kind.
func (p *Phantom) Count(kind LesionKind) int {
	n := 0
	for _, l := range p.Lesions {
		if l.Kind == kind {
			n++
		}
	}
	return n
}

func (o PhantomOptions) check() error {
	voxels := 1.0
	for d := range 3 {
		if o.Size[d] < 24 {
			return fmt.Errorf("size %s: every side must be at least 24 voxels", times(o.Size))
		}
		if !(o.Spacing[d] >= 0.25 && o.Spacing[d] <= 8) {
			return fmt.Errorf("voxel size %g mm: it must be between 0.25 and 8", o.Spacing[d])
		}
		if mm := float64(o.Size[d]) * o.Spacing[d]; mm < 24 || mm > 400 {
			return fmt.Errorf("%d voxels of %g mm are %g mm: a side must be between 24 and 400 mm", o.Size[d], o.Spacing[d], mm)
		}
		voxels *= float64(o.Size[d])
	}
	if voxels > 1<<28 {
		return fmt.Errorf("size %s: more than %d voxels", times(o.Size), 1<<28)
	}
	for _, c := range []struct {
		name   string
		r      Range
		lo, hi float64
	}{
		{"unchanged lesions", o.Unchanged, 0, 200},
		{"new lesions", o.New, 0, 200},
		{"grown lesions", o.Grown, 0, 200},
		{"shrunk lesions", o.Shrunk, 0, 200},
		{"vanished lesions", o.Vanished, 0, 200},
		{"artefacts", o.Artefacts, 0, 1000},
		{"lesion volume in mm³", o.LesionMM3, 3.5, 20000},
		{"lesion contrast", o.LesionContrast, 0.01, 5},
		{"noise", o.Noise, 0, 1},
		{"bias", o.Bias, 0, 1},
		{"gamma", o.Gamma, 0.2, 5},
		{"blur in mm", o.Blur, 0, 5},
		{"atrophy in mm", o.Atrophy, 0, 3},
		{"without new lesions, a probability", Range{o.WithoutNew, o.WithoutNew}, 0, 1},
		{"shift in mm", Range{o.ShiftMM, o.ShiftMM}, 0, 5},
		{"rotation in degrees", Range{o.TurnDeg, o.TurnDeg}, 0, 10},
	} {
		if !(c.r.Min >= c.lo && c.r.Max <= c.hi && c.r.Min <= c.r.Max) {
			return fmt.Errorf("%s from %g to %g: it must go upwards within %g to %g", c.name, c.r.Min, c.r.Max, c.lo, c.hi)
		}
	}
	for _, r := range []Range{o.Unchanged, o.New, o.Grown, o.Shrunk, o.Vanished, o.Artefacts} {
		if math.Ceil(r.Min) > math.Floor(r.Max) {
			return fmt.Errorf("a number from %g to %g: no whole number is in between", r.Min, r.Max)
		}
	}
	return nil
}
