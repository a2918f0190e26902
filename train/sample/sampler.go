package sample

import (
	"errors"
	"fmt"
	"slices"

	"voxgrad/augment"
	"voxgrad/internal/rng"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// Options are the sampler's choices. None of them is the paper's; see Defaults.
type Options struct {
	Patch       [3]int  `toml:"patch" comment:"edges in voxels along x, y, z"`
	LesionProb  float64 `toml:"lesion_prob" comment:"segmenter, detector: share of lesion-centred patches (choice)"`
	Jitter      int     `toml:"jitter" comment:"voxels by which the centre of a lesion-centred patch moves at most along each axis (choice)"`
	LesionFree  bool    `toml:"lesion_free" comment:"inpainter: no lesion voxel in its patches; false: any patch of the brain, with noise away from lesions, for data whose patches all have some (choice: true)"`
	LesionPoint string  `toml:"lesion_point" comment:"where a lesion-centred patch is centred: at the centre of the lesion, or at a random voxel of it (choice: centre)"`
}

// Defaults are 64³ patches, three of four around a lesion's centre, jittered by up
// to 16 voxels.
func Defaults() Options {
	return Options{Patch: [3]int{64, 64, 64}, LesionProb: 0.75, Jitter: 16, LesionFree: true, LesionPoint: "centre"}
}

// MaxVoxels bounds a patch.
const MaxVoxels = 1 << 28

// Check reports what is wrong with the options, in words of the config file.
func (o Options) Check() error {
	for _, n := range o.Patch {
		if n < 8 || n%8 != 0 {
			return fmt.Errorf("patch %v: each edge must be a multiple of 8 (three poolings by two), at least 8", o.Patch)
		}
	}
	// Edge by edge: their product may overflow.
	for voxels, a := 1, 0; a < len(o.Patch); a++ {
		if voxels > MaxVoxels/o.Patch[a] {
			return fmt.Errorf("patch %v: more than %d voxels", o.Patch, MaxVoxels)
		}
		voxels *= o.Patch[a]
	}
	if !(o.LesionProb >= 0 && o.LesionProb <= 1) {
		return fmt.Errorf("lesion_prob %g: must be from 0 to 1", o.LesionProb)
	}
	small := min(o.Patch[0], o.Patch[1], o.Patch[2])
	if o.Jitter < 0 || o.Jitter >= (small+1)/2 { // doubled, it may overflow
		return fmt.Errorf("jitter %d with patch %v: must be from 0 to less than half of the smallest edge, or lesions leave their patch", o.Jitter, o.Patch)
	}
	if o.LesionPoint != "centre" && o.LesionPoint != "voxel" {
		return fmt.Errorf("lesion_point %q: want centre or voxel", o.LesionPoint)
	}
	return nil
}

// Cases is what a Sampler draws from; dataset.Loader is one.
type Cases interface {
	Len() int
	// HasLesions tells whether case i has any lesion voxel.
	HasLesions(i int) (bool, error)
	Load(i int) (*dataset.Item, error)
}

// Kind is which patches a task can use.
type Kind uint8

const (
	// Mixed patches are lesion-centred with probability Options.LesionProb, else
	// anywhere in the brain.
	Mixed Kind = iota
	// WithLesion patches are lesion-centred and hold at least one lesion voxel.
	WithLesion
	// WithoutLesion patches lie anywhere in the brain and hold no lesion voxel.
	WithoutLesion
	// Anywhere patches lie anywhere in the brain.
	Anywhere
)

// tries bounds the search for a patch of a kind.
const tries = 1000

// Sampler cuts patches from cases.
type Sampler struct {
	kind   Kind
	opt    Options
	cases  Cases
	lesion []int // cases with lesions
	seed   uint64
	name   string
	hooks  []Hook
	deform augment.Preset
}

// NewSampler draws under rng.Key(seed, name, index); the hooks run in order, each
// with what the ones before left of the sample's stream. It looks at every
// case's mask once.
func NewSampler(cases Cases, kind Kind, opt Options, seed uint64, name string, hooks ...Hook) (*Sampler, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	if cases.Len() == 0 {
		return nil, fmt.Errorf("no cases to draw from")
	}
	s := &Sampler{kind: kind, opt: opt, cases: cases, seed: seed, name: name, hooks: hooks}
	for i := range cases.Len() {
		has, err := cases.HasLesions(i)
		if err != nil {
			return nil, err
		}
		if has {
			s.lesion = append(s.lesion, i)
		}
	}
	return s, nil
}

// Deform cuts patches through what the preset's Space draws, and raises images to its Gamma.
func (s *Sampler) Deform(p augment.Preset) { s.deform = p }

// LesionCases is the number of cases with lesions.
func (s *Sampler) LesionCases() int { return len(s.lesion) }

// Draw is the sample with that number: the first place drawn that is of the
// sampler's kind and suits the hooks.
func (s *Sampler) Draw(index int) (*Sample, error) {
	r := rng.New(s.seed, s.name, index)
	for range tries {
		it, centre, err := s.place(r)
		if err != nil {
			return nil, err
		}
		start := Place(it.Grid().Size, centre, s.opt.Patch)
		space := s.deform.DrawSpace(r, s.opt.Patch)
		one := s.kind == WithLesion || s.kind == WithoutLesion
		if one && space == nil && it.HasLesionIn(start, s.opt.Patch) != (s.kind == WithLesion) {
			continue
		}
		p := Cut(it, start, s.opt.Patch)
		if space != nil {
			p = cutThrough(it, start, space, s.opt.Patch)
			if one && slices.ContainsFunc(p.Labels, func(l uint8) bool { return l&dataset.Lesion != 0 }) != (s.kind == WithLesion) {
				continue
			}
		}
		for _, x := range p.Images {
			s.deform.DrawGamma(r, x)
		}
		p.Index = index
		if err := s.complete(p, r); err == nil {
			return p, nil
		} else if !errors.Is(err, ErrAgain) {
			return nil, fmt.Errorf("case %s: %w", p.Case, err)
		}
	}
	switch s.kind {
	case WithLesion:
		return nil, fmt.Errorf("no usable patch with a lesion voxel was found in %d tries: are the lesions inside the brain masks?", tries)
	case WithoutLesion:
		return nil, fmt.Errorf("no usable patch of %v voxels without a lesion was found in %d tries: use smaller patches, cases with fewer lesions, or sampler.lesion_free = false", s.opt.Patch, tries)
	}
	return nil, fmt.Errorf("no usable patch was found in %d tries", tries)
}

func (s *Sampler) complete(p *Sample, r *rng.Stream) error {
	for _, f := range s.hooks {
		if err := f(p, r); err != nil {
			return err
		}
	}
	return nil
}

// place draws the kind, lesion-centred or anywhere in the brain, then a case (of
// those with lesions, for the first kind), then a centre.
func (s *Sampler) place(r *rng.Stream) (it *dataset.Item, centre [3]int, err error) {
	p := s.opt.LesionProb
	switch s.kind {
	case WithLesion:
		p = 1
	case WithoutLesion, Anywhere:
		p = 0
	}
	atLesion := r.Bool(p) && len(s.lesion) > 0
	n := r.Intn(s.cases.Len())
	if atLesion {
		n = s.lesion[r.Intn(len(s.lesion))]
	}
	if it, err = s.cases.Load(n); err != nil {
		return nil, centre, err
	}
	switch {
	case atLesion && it.Lesions() > 0:
		l := r.Intn(it.Lesions())
		centre = it.LesionCentre(l)
		if s.opt.LesionPoint == "voxel" {
			centre = it.LesionVoxel(l, r.Intn(it.LesionVoxels(l)))
		}
		for a := range centre {
			centre[a] += r.Intn(2*s.opt.Jitter+1) - s.opt.Jitter
		}
	case it.BrainVoxels() > 0:
		centre = it.BrainVoxel(r.Intn(it.BrainVoxels()))
	default:
		return nil, centre, fmt.Errorf("case %s: its brain mask is empty on the 1 mm grid", it.Case.ID)
	}
	return it, centre, nil
}

// Place is where a patch around centre starts: shifted into the volume where it
// would stick out, in the middle of the padding where the volume is smaller.
func Place(size, centre, patch [3]int) [3]int {
	var start [3]int
	for a := range start {
		if size[a] <= patch[a] {
			start[a] = -((patch[a] - size[a]) / 2)
			continue
		}
		start[a] = min(max(centre[a]-patch[a]/2, 0), size[a]-patch[a])
	}
	return start
}

// Cut copies the patch of that size from a case, zeros where it sticks out.
func Cut(it *dataset.Item, start, size [3]int) *Sample {
	n := size[0] * size[1] * size[2]
	p := &Sample{Case: it.Case.ID, Start: start, Size: size, Labels: make([]uint8, n)}
	g := it.Grid()
	volume.ToNetwork(p.Labels, it.Labels, g.Size, start, size)
	if it.Likelihood != nil {
		p.Likelihood = make([]float32, n)
		volume.ToNetwork(p.Likelihood, it.Likelihood, g.Size, start, size)
	}
	for _, im := range it.Images {
		x := make([]float32, n)
		volume.ToNetwork(x, im.Data, g.Size, start, size)
		p.Images = append(p.Images, x)
	}
	return p
}
