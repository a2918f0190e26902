package dataset

import (
	"fmt"
	"slices"
	"sync"

	"voxgrad/internal/text"
	"voxgrad/synth"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// Loader loads cases and keeps the most recently used ones. Its methods may be
// called from several goroutines. What it returns does not depend on what it
// happens to keep.
type Loader struct {
	set      *Set
	settings prep.Settings
	limit    int64
	likely   bool
	prior    *volume.Volume

	mu      sync.Mutex
	items   map[int]*entry
	clock   int64
	evicted int
	lesions map[int]bool
}

type entry struct {
	once  sync.Once
	item  *Item
	err   error
	bytes int64
	used  int64
}

// NewLoader keeps loaded cases up to about limit bytes.
func NewLoader(set *Set, s prep.Settings, limit int64) *Loader {
	return &Loader{set: set, settings: s, limit: limit, items: map[int]*entry{}, lesions: map[int]bool{}}
}

// View is the loader restricted to some of the set's cases.
func (l *Loader) View(cases []int) *View { return &View{l, cases} }

// View is what a sampler draws from.
type View struct {
	loader *Loader
	cases  []int
}

// Len is the number of cases.
func (v *View) Len() int { return len(v.cases) }

// Load is case i of the view.
func (v *View) Load(i int) (*Item, error) { return v.loader.Load(v.cases[i]) }

// HasLesions tells whether case i of the view has any lesion voxel.
func (v *View) HasLesions(i int) (bool, error) { return v.loader.HasLesions(v.cases[i]) }

// Load is the case with that index in the set, prepared.
func (l *Loader) Load(i int) (*Item, error) {
	l.mu.Lock()
	e := l.items[i]
	if e == nil {
		e = &entry{}
		l.items[i] = e
	}
	l.clock++
	e.used = l.clock
	l.mu.Unlock()

	e.once.Do(func() {
		e.item, e.err = load(l.set.Cases[i], l.settings)
		if e.err == nil && l.likely {
			e.err = e.item.readMaps(l.prior)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if e.err == nil {
			e.bytes = e.item.Bytes()
		}
		l.evict(i)
	})
	return e.item, e.err
}

// evict drops the least recently used cases, but not keep, down to the limit.
func (l *Loader) evict(keep int) {
	for {
		total, oldest := int64(0), -1
		for n, e := range l.items {
			total += e.bytes
			if n != keep && e.bytes > 0 && (oldest < 0 || e.used < l.items[oldest].used) {
				oldest = n
			}
		}
		if total <= l.limit || oldest < 0 {
			return
		}
		delete(l.items, oldest)
		l.evicted++
	}
}

// Evicted is how often a case was dropped to stay within the limit. If that goes
// on, the limit is too small for the set and every patch waits for the disk.
func (l *Loader) Evicted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.evicted
}

// HasLesions tells whether a case's mask file has any voxel, without preparing
// its images. (Inside the brain and on the 1 mm grid there may be none left.)
func (l *Loader) HasLesions(i int) (bool, error) {
	l.mu.Lock()
	has, known := l.lesions[i]
	l.mu.Unlock()
	if known {
		return has, nil
	}
	m, err := ReadMask(l.set.Cases[i])
	if err != nil {
		return false, err
	}
	has = slices.Contains(m.Data, true)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lesions[i] = has
	return has, nil
}

// ReadMask is a case's lesion mask, several raters' merged.
func ReadMask(c Case) (*volume.Mask, error) {
	if len(c.Masks) == 0 {
		return nil, fmt.Errorf("case %s has no lesion mask", text.Clean(c.ID))
	}
	var masks []*volume.Mask
	for _, p := range c.Masks {
		m, err := volume.ReadMask(p)
		if err != nil {
			return nil, err
		}
		masks = append(masks, m)
	}
	return merge(c.Merge, masks)
}

// merge makes one mask of several raters'.
func merge(how Merge, masks []*volume.Mask) (*volume.Mask, error) {
	first := masks[0]
	if len(masks) == 1 {
		return first, nil
	}
	votes := make([]int, len(first.Data))
	for _, m := range masks {
		m, err := m.On(first)
		if err != nil {
			return nil, err
		}
		for i, in := range m.Data {
			if in {
				votes[i]++
			}
		}
	}
	need := len(masks)/2 + 1
	if how == Any {
		need = 1
	}
	out := first.Like()
	out.Path = first.Path
	for i, v := range votes {
		out.Data[i] = v >= need
	}
	return out, nil
}

// ReadImages is a case's time points and its brain mask, if it has a file of one.
func ReadImages(c Case) (out prep.Case, err error) {
	for _, p := range c.Times {
		v, err := volume.Read(p)
		if err != nil {
			return out, err
		}
		out.Times = append(out.Times, v)
	}
	if c.Brain != "" {
		out.Brain, err = volume.ReadMask(c.Brain)
	}
	return out, err
}

func load(c Case, s prep.Settings) (*Item, error) {
	images, err := ReadImages(c)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", c.ID, err)
	}
	p, err := prep.Images(images, s)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", c.ID, err)
	}
	truth, err := ReadMask(c)
	if err != nil {
		return nil, err
	}
	if truth, err = truth.On(images.Times[0]); err != nil {
		return nil, fmt.Errorf("case %s: %w", c.ID, err)
	}
	lesion := truth.Resample(p.Grid())
	labels := make([]uint8, len(lesion.Data))
	for i, b := range p.Brain.Data {
		if b {
			labels[i] = Brain
			if lesion.Data[i] {
				labels[i] |= Lesion
			}
		}
	}
	cropped, labels, err := crop(p.Images, labels)
	if err != nil {
		return nil, fmt.Errorf("case %s: %s: %w", c.ID, p.Masked.Name(), err)
	}
	return NewItem(c, cropped, labels), nil
}

// crop cuts everything to the bounding box of the brain.
func crop(images []*volume.Volume, labels []uint8) ([]*volume.Volume, []uint8, error) {
	g := images[0].Grid
	lo, hi := g.Size, [3]int{}
	for i, l := range labels {
		if l&Brain == 0 {
			continue
		}
		p := [3]int{i % g.Size[0], i / g.Size[0] % g.Size[1], i / g.Size[0] / g.Size[1]}
		for a := range 3 {
			lo[a], hi[a] = min(lo[a], p[a]), max(hi[a], p[a]+1)
		}
	}
	if hi[0] == 0 {
		return nil, nil, fmt.Errorf("the brain mask is empty on the 1 mm grid")
	}
	to := g.Box(lo, hi)
	var out []*volume.Volume
	for _, im := range images {
		v := volume.New(to)
		v.Path = im.Path
		box(v.Data, im.Data, g, to, lo)
		out = append(out, v)
	}
	cropped := make([]uint8, to.Len())
	box(cropped, labels, g, to, lo)
	return out, cropped, nil
}

func box[T any](dst, src []T, from, to volume.Grid, lo [3]int) {
	for k := range to.Size[2] {
		for j := range to.Size[1] {
			at := from.Index(lo[0], lo[1]+j, lo[2]+k)
			copy(dst[to.Index(0, j, k):][:to.Size[0]], src[at:])
		}
	}
}

// UseMaps makes items carry their Likelihood: the product of the case's map of
// white matter and of the prior, of those of the two that there are. Call it before
// Load. The prior may be nil; it is in the space of every case.
func (l *Loader) UseMaps(prior *volume.Volume) { l.likely, l.prior = true, prior }

// CheckMaps reads the prior, "" for none, and tries it and the maps of white matter
// on one case: the first that has such a map, else the first. A map in another space
// shows so without the work of loading every case.
func (s *Set) CheckMaps(settings prep.Settings, prior string) error {
	first := slices.IndexFunc(s.Cases, func(c Case) bool { return c.WhiteMatter != "" })
	if prior == "" && first < 0 {
		return nil
	}
	var m *volume.Volume
	if prior != "" {
		var err error
		if m, err = volume.Read(prior); err != nil {
			return err
		}
	}
	l := NewLoader(s, settings, 0)
	l.UseMaps(m)
	_, err := l.Load(max(first, 0))
	return err
}

// readMaps fills in the likelihood.
func (it *Item) readMaps(prior *volume.Volume) error {
	var maps []*volume.Volume
	if it.Case.WhiteMatter != "" {
		m, err := volume.Read(it.Case.WhiteMatter)
		if err != nil {
			return fmt.Errorf("case %s: %w", it.Case.ID, err)
		}
		maps = append(maps, m)
	}
	if prior != nil {
		maps = append(maps, prior)
	}
	brain := volume.NewMask(it.Grid())
	for i, l := range it.Labels {
		brain.Data[i] = l&Brain != 0
	}
	var err error
	if it.Likelihood, err = synth.Likely(brain, maps...); err != nil {
		return fmt.Errorf("case %s: %w", it.Case.ID, err)
	}
	return nil
}
