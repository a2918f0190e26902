package volume

import (
	"fmt"
	"math"
	"slices"

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

// PhantomOptions are what NewPhantom makes. Start from DefaultPhantom: the zero
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

	// Artefacts is how many bright spots that are not lesions are on cortex and
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

// LesionKind is how a phantom's lesion differs between the time points.
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

// body is a lesion in voxels: for each time point where it is present, which
// voxels it touches and which share of each is lesion. The mask is the voxels with
// at least half.
type body struct {
	PhantomLesion
	voxels [2][]int
	share  [2][]float64
}

// attempts is how many places are tried for one lesion.
const attempts = 60

// placeLesions puts lesions into white matter, none touching another at any time.
func placeLesions(o PhantomOptions, a *anatomy) []body {
	s := rng.New(o.Seed, "phantom", "lesions")
	var kinds []LesionKind
	add := func(kind LesionKind, r Range) {
		for range r.count(s) {
			kinds = append(kinds, kind)
		}
	}
	none := s.Bool(o.WithoutNew)
	if !none {
		add(NewLesion, o.New)
	}
	add(Grown, o.Grown)
	add(Shrunk, o.Shrunk)
	add(Vanished, o.Vanished)
	add(Unchanged, o.Unchanged)

	places := a.lesionPlaces()
	ragged := newLattice(1, o.Seed, "lesion borders")
	taken := make([]bool, a.grid.Len())
	var bodies []body
	for n, kind := range kinds {
		// A stream for each, so that one lesion's luck does not move the next.
		s := rng.New(o.Seed, "phantom", "lesion", n)
		for range attempts {
			if b, ok := a.tryLesion(o, s, ragged, kind, places, taken); ok {
				bodies = append(bodies, b)
				break
			}
		}
	}
	return bodies
}

// The regions of white matter where lesions arise, and how often.
const (
	periventricular = iota
	juxtacortical
	deepWhite
	regions
)

var regionShare = [regions]float64{0.45, 0.25, 0.3}

// lesionPlaces lists the voxels of each region.
func (a *anatomy) lesionPlaces() (places [regions][]int) {
	for x, m := range a.mask {
		if !m || a.cortex[x] < 0.3 || a.ventricle[x] < 0.5 || a.deep[x] > 0.3 {
			continue
		}
		if k := x / (a.grid.Size[0] * a.grid.Size[1]); float64(k) < 0.3*float64(a.grid.Size[2]) {
			continue // rare below the hemispheres
		}
		switch {
		case a.ventricle[x] < 5:
			places[periventricular] = append(places[periventricular], x)
		case a.cortex[x] < 2.2:
			places[juxtacortical] = append(places[juxtacortical], x)
		default:
			places[deepWhite] = append(places[deepWhite], x)
		}
	}
	return places
}

func logUniformish(s *rng.Stream, r Range) float64 {
	middle := (math.Log(r.Min) + math.Log(r.Max)) / 2
	sd := (math.Log(r.Max) - math.Log(r.Min)) / 4.5
	return min(max(math.Exp(middle+sd*s.Normal()), r.Min), r.Max)
}

// tryLesion draws a lesion and a place; not ok if it does not fit there.
func (a *anatomy) tryLesion(o PhantomOptions, s *rng.Stream, ragged *lattice, kind LesionKind, places [regions][]int, taken []bool) (b body, ok bool) {
	region, u := 0, s.Float64()
	for u > regionShare[region] && region < regions-1 {
		u -= regionShare[region]
		region++
	}
	mm3 := logUniformish(s, o.LesionMM3)
	contrast := logUniformish(s, o.LesionContrast)
	var axes [3]float64
	product := 1.0
	for d := range axes {
		axes[d] = math.Exp(0.25 * s.Normal())
		if region == periventricular && d == 0 {
			axes[d] *= 1.3 // along the veins, away from the ventricles
		}
		product *= axes[d]
	}
	change := s.Uniform(0.3, 0.65) // volume before growing, after shrinking
	drift := [2]float64{1, s.Uniform(0.85, 1.15)}
	if len(places[region]) == 0 {
		return b, false
	}
	centre := places[region][s.Intn(len(places[region]))]

	b.Kind = kind
	factor := [2]float64{1, 1}
	switch kind {
	case NewLesion:
		factor[0] = 0
	case Vanished:
		factor[1] = 0
	case Grown:
		factor[0] = change
	case Shrunk:
		factor[1] = change
	}
	// Both time points cut the same noise, so that a growing lesion stays itself.
	edge := border{lattice: ragged, cell: 0.8*math.Cbrt(3*mm3/(4*math.Pi)) + 0.6}
	for d := range edge.shift {
		edge.shift[d] = s.Uniform(0, latticeSize)
	}
	for t := range 2 {
		if factor[t] == 0 {
			continue
		}
		r := math.Cbrt(3*mm3*factor[t]/(4*math.Pi)) / math.Cbrt(product)
		b.voxels[t], b.share[t] = a.blob(centre, [3]float64{axes[0] * r, axes[1] * r, axes[2] * r}, edge)
		b.Contrast[t] = contrast * drift[t]
	}
	return b, a.accept(o, &b, taken)
}

// border is the noise of one lesion's border: a lattice of unit cells, here cell mm
// wide.
type border struct {
	*lattice
	cell  float64
	shift [3]float64
}

func (b border) at(p [3]float64) float64 {
	for d := range p {
		p[d] = p[d]/b.cell + b.shift[d]
	}
	return b.lattice.at(p)
}

// blob is an ellipsoid with a ragged border: voxels and the share of lesion in
// each. Its mask is one piece.
func (a *anatomy) blob(centre int, axes [3]float64, ragged border) (voxels []int, share []float64) {
	size := a.grid.Size
	at := [3]int{centre % size[0], centre / size[0] % size[1], centre / size[0] / size[1]}
	var lo, hi, box [3]int
	for d := range 3 {
		reach := int(math.Ceil(1.8*axes[d]/a.spacing[d])) + 1
		lo[d], hi[d] = max(at[d]-reach, 0), min(at[d]+reach+1, size[d])
		box[d] = hi[d] - lo[d]
	}
	mean := (axes[0] + axes[1] + axes[2]) / 3
	var core []bool
	for k := lo[2]; k < hi[2]; k++ {
		for j := lo[1]; j < hi[1]; j++ {
			for i := lo[0]; i < hi[0]; i++ {
				x := a.grid.Index(i, j, k)
				p := [3]float64{float64(i) * a.spacing[0], float64(j) * a.spacing[1], float64(k) * a.spacing[2]}
				q := 0.0
				for d, n := range [3]int{i, j, k} {
					q += square(float64(n-at[d]) * a.spacing[d] / axes[d])
				}
				// mm inside the ragged border, softened over about 1.5 mm
				inside := (1 - math.Sqrt(q) + 0.4*ragged.at(p)) * mean
				m := saturate(inside/1.5 + 0.5)
				m *= saturate(float64(a.ventricle[x])+0.2) * saturate(float64(a.cortex[x])+0.7)
				if !a.mask[x] {
					m = 0
				}
				core = append(core, m >= 0.5)
				voxels = append(voxels, x)
				share = append(share, m)
			}
		}
	}
	labels, _, _ := Components(core, box, 6) // the box has a voxel: no error
	keptVoxels, keptShare := voxels[:0], share[:0]
	for n, l := range labels {
		if share[n] == 0 {
			continue
		}
		m := share[n]
		if l != 1 {
			m = min(m, 0.45) // a fragment, or the faint rim
		}
		keptVoxels, keptShare = append(keptVoxels, voxels[n]), append(keptShare, m)
	}
	return keptVoxels, keptShare
}

// accept measures a lesion and marks its place as taken, if it is large enough at
// each time point and touches no other lesion.
func (a *anatomy) accept(o PhantomOptions, b *body, taken []bool) bool {
	unit := a.spacing[0] * a.spacing[1] * a.spacing[2]
	size := a.grid.Size
	var all []int
	for t := range 2 {
		var sum [3]float64
		for n, x := range b.voxels[t] {
			if b.share[t][n] < 0.5 {
				continue
			}
			all = append(all, x)
			b.Voxels[t]++
			for d, i := range [3]int{x % size[0], x / size[0] % size[1], x / size[0] / size[1]} {
				sum[d] += float64(i)
			}
		}
		b.MM3[t] = float64(b.Voxels[t]) * unit
		absent := b.Contrast[t] == 0
		if !absent && (b.MM3[t] <= 3 || b.MM3[t] < 0.7*o.LesionMM3.Min || b.MM3[t] > 1.5*o.LesionMM3.Max) {
			return false
		}
		if b.Voxels[t] > 0 && (t == 0 || b.Voxels[1] > b.Voxels[0]) {
			for d := range sum {
				b.Centroid[d] = sum[d] / float64(b.Voxels[t])
			}
		}
	}
	switch b.Kind {
	case Grown:
		if b.Voxels[1] <= b.Voxels[0] {
			return false
		}
	case Shrunk:
		if b.Voxels[0] <= b.Voxels[1] {
			return false
		}
	}
	if slices.ContainsFunc(all, func(x int) bool { return a.near(x, taken) }) {
		return false
	}
	for _, x := range all {
		taken[x] = true
	}
	return true
}

// near tells whether x or one of its 26 neighbours is taken.
func (a *anatomy) near(x int, taken []bool) bool {
	size := a.grid.Size
	i, j, k := x%size[0], x/size[0]%size[1], x/size[0]/size[1]
	for c := max(k-1, 0); c < min(k+2, size[2]); c++ {
		for b := max(j-1, 0); b < min(j+2, size[1]); b++ {
			for d := max(i-1, 0); d < min(i+2, size[0]); d++ {
				if taken[a.grid.Index(d, b, c)] {
					return true
				}
			}
		}
	}
	return false
}
