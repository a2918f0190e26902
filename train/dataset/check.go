package dataset

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"voxgrad/internal/par"
	"voxgrad/internal/text"
	"voxgrad/synth"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// Level is how bad a problem is.
type Level string

// Levels.
const (
	Error   Level = "error"   // training will refuse the case
	Caution Level = "warning" // training goes on, but look at it
)

// Problem is one thing that is wrong with a case.
type Problem struct {
	Case  string `json:"case"`
	Level Level  `json:"level"`
	Text  string `json:"text"` // names the file
}

// Report is the result of Check for one case.
type Report struct {
	Case        string
	Problems    []Problem
	Size        [3]int     // voxels of the first image
	Spacing     [3]float64 // mm
	Codes       string     // orientation, "LPS"
	Lesions     int        // pieces connected through faces, edges or corners
	LesionMM3   float64
	BrainVoxels int
}

// fewMM: an image that covers less than this along an axis is hardly a brain.
const fewMM = 40

// Check reads every case and says what is wrong: missing files, unreadable ones,
// another grid, time points in different spaces, empty or constant images, NaN
// or infinite voxels, masks with other values than 0 and one more, lesions
// outside the brain, tiny volumes. look, if not nil, may add what is doubtful about a case that is prepared, in words; it is called for
// several cases at once. done, if not nil, is told of each finished
// case, in no particular order but never twice at once. The error is the context's.
func Check(ctx context.Context, set *Set, s prep.Settings, look func(p *prep.Prepared) string, done func(finished int, r Report)) ([]Report, error) {
	out := make([]Report, len(set.Cases))
	finished := make(chan int)
	go func() {
		defer close(finished)
		par.For(len(set.Cases), func(i int) {
			if ctx.Err() != nil {
				return
			}
			out[i] = checkCase(set.Cases[i], s, look)
			finished <- i
		})
	}()
	n := 0
	for i := range finished {
		n++
		if done != nil {
			done(n, out[i])
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("stopped after %d of %s: %w", n, text.Plural(len(set.Cases), "case"), err)
	}
	return out, nil
}

// CheckFile is Check of one file: a scan, or a mask if its values are those of one.
func CheckFile(path string) Report {
	c := checker{Report: Report{Case: stem(path)}}
	v, err := volume.Read(path)
	if err != nil {
		c.add(Error, "%v", err)
		return c.Report
	}
	c.Size, c.Spacing, c.Codes = v.Size, v.Spacing(), v.Affine.Codes()
	if m, err := v.Mask(); err == nil {
		c.values(v)
		c.count(m)
		return c.Report
	}
	c.image(path)
	return c.Report
}

type checker struct {
	Report
	s prep.Settings
}

func (c *checker) add(l Level, format string, args ...any) {
	c.Problems = append(c.Problems, Problem{Case: c.Case, Level: l, Text: fmt.Sprintf(format, args...)})
}

func checkCase(cs Case, s prep.Settings, look func(p *prep.Prepared) string) Report {
	c := checker{Report: Report{Case: cs.ID}, s: s}
	for _, m := range cs.Missing {
		c.add(Error, "missing: %s", m)
	}
	var times []*volume.Volume
	for _, p := range cs.Times {
		if v := c.image(p); v != nil {
			times = append(times, v)
		}
	}
	for i, v := range times {
		if i == 0 {
			c.Size, c.Spacing, c.Codes = v.Size, v.Spacing(), v.Affine.Codes()
		} else if err := volume.SameSpace(times[0], v); err != nil && !s.ResampleTimes && !v.Grid.Reordered(times[0].Grid) {
			c.add(Error, "%v", err)
		}
	}
	if len(cs.Masks) == 0 && len(cs.Missing) == 0 {
		c.add(Error, "no lesion mask")
	}
	lesions := c.masks(cs)
	if len(times) == 0 || len(times) < len(cs.Times) {
		return c.Report
	}
	p := c.prepare(cs, times)
	if p == nil {
		return c.Report
	}
	c.BrainVoxels = p.Masked.Count()
	if look != nil {
		if doubt := look(p); doubt != "" {
			c.add(Caution, "%s", doubt)
		}
	}
	if cs.WhiteMatter != "" {
		c.whiteMatter(cs.WhiteMatter, p)
	}
	if lesions != nil {
		if on, err := lesions.On(times[0]); err == nil {
			c.outside(on, p.Masked)
		}
	}
	return c.Report
}

// prepare brings the images to the networks' grid as training does; nil if that cannot be
// done.
func (c *checker) prepare(cs Case, times []*volume.Volume) *prep.Prepared {
	images := prep.Case{Times: times}
	if cs.Brain != "" {
		if images.Brain = c.mask(cs.Brain); images.Brain == nil {
			return nil
		}
	}
	if len(c.errors()) > 0 {
		return nil
	}
	p, err := prep.Images(images, c.s)
	if err != nil {
		without := ""
		if cs.Brain == "" {
			without = "no brain mask file, and "
		}
		c.add(Error, "%s%v", without, err)
		return nil
	}
	return p
}

func (c *checker) errors() (out []Problem) {
	for _, p := range c.Problems {
		if p.Level == Error {
			out = append(out, p)
		}
	}
	return out
}

// image reads an image and looks at its voxels; nil if it cannot be used.
func (c *checker) image(path string) *volume.Volume {
	v, err := volume.Read(path)
	if err != nil {
		c.add(Error, "%v", err)
		return nil
	}
	if err := v.CheckFinite(); err != nil {
		c.add(Caution, "%v", err) // an error only inside the brain
	}
	lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
	for _, x := range v.Data {
		if x-x == 0 {
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	if lo >= hi {
		c.add(Error, "%s: every voxel is %g: the image is empty or constant", v.Name(), v.Data[0])
		return nil
	}
	for a, mm := range v.Spacing() {
		if edge := mm * float64(v.Size[a]); edge < fewMM {
			c.add(Caution, "%s: axis %d covers only %.3g mm (%d voxels of %.3g mm): is this a whole brain?", v.Name(), a, edge, v.Size[a], mm)
		}
	}
	return v
}

// masks looks at every rater's mask and returns the merged one; nil if there is
// none.
func (c *checker) masks(cs Case) *volume.Mask {
	var masks []*volume.Mask
	for _, p := range cs.Masks {
		m := c.mask(p)
		if m == nil {
			continue
		}
		masks = append(masks, m)
		if len(cs.Times) > 0 {
			if im, err := volume.ReadHeader(cs.Times[0]); err == nil {
				ref := &volume.Volume{Grid: im.Grid(), Path: cs.Times[0], Source: im}
				if _, err := m.On(ref); err != nil {
					c.add(Error, "%v", err)
				}
			}
		}
	}
	if len(masks) == 0 || len(masks) < len(cs.Masks) {
		return nil
	}
	m, err := merge(cs.Merge, masks)
	if err != nil {
		c.add(Error, "%v", err)
		return nil
	}
	c.count(m)
	return m
}

// mask reads a mask; nil if it is none. Values other than 0 and 1 are told of.
func (c *checker) mask(path string) *volume.Mask {
	v, err := volume.Read(path)
	if err != nil {
		c.add(Error, "%v", err)
		return nil
	}
	m, err := v.Mask()
	if err != nil {
		c.add(Error, "%v", err)
		return nil
	}
	c.values(v)
	return m
}

// count counts a mask's lesions.
func (c *checker) count(m *volume.Mask) {
	_, comps, err := volume.Components(m.Data, m.Size, 26)
	if err != nil {
		c.add(Error, "%s: %v", m.Name(), err)
		return
	}
	c.Lesions = len(comps)
	for _, l := range comps {
		c.LesionMM3 += float64(l.Voxels) * m.VoxelMM3()
	}
}

// values tells of a mask's values where they are not 0 and 1.
func (c *checker) values(v *volume.Volume) {
	if hi := slices.Max(v.Data); hi != 0 && hi != 1 {
		c.add(Caution, "%s: values are 0 and %g; %[2]g is taken as lesion", v.Name(), hi)
	}
}

// whiteMatter looks at a map of likely places as synthesis will.
func (c *checker) whiteMatter(path string, p *prep.Prepared) {
	m, err := volume.Read(path)
	if err == nil {
		_, err = synth.Likely(p.Brain, m)
	}
	if err != nil {
		c.add(Error, "white matter: %v", err)
	}
}

// outside counts lesion voxels that training and evaluation would never see.
func (c *checker) outside(lesions, brain *volume.Mask) {
	n, all := 0, lesions.Count()
	for i, in := range lesions.Data {
		if in && !brain.Data[i] {
			n++
		}
	}
	if n > 0 {
		c.add(Caution, "%s: %d of %d lesion voxels lie outside the brain mask and are ignored in training", lesions.Name(), n, all)
	}
}

// manyProblems is how many an error lists before it counts the rest.
const manyProblems = 10

// CheckHeaders is Check's quick part, for a long run to begin with: it reads no
// voxels. The error names every file that is missing, is no image or is in
// another space than its case's first image, and with masks set every case without
// a lesion mask, with maps set maps of white matter that are no images.
func (s *Set) CheckHeaders(settings prep.Settings, masks, maps bool) error {
	if err := s.Complete(); err != nil {
		return err
	}
	var lines []string
	for _, c := range s.Cases {
		for _, err := range c.headers(settings, masks, maps) {
			lines = append(lines, fmt.Sprintf("  %s: %v", c.ID, err))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	if n := len(lines); n > manyProblems {
		lines = append(lines[:manyProblems], fmt.Sprintf("  and %d more; voxgrad data check lists all", n-manyProblems))
	}
	return fmt.Errorf("%s (layout %s):\n%s", s.Root, s.Layout, strings.Join(lines, "\n"))
}

// headers lists what is wrong with a case's files as far as headers tell.
func (c Case) headers(settings prep.Settings, masks, maps bool) (out []error) {
	var first *volume.Volume
	look := func(path string, anySpace bool) {
		h, err := volume.ReadHeader(path)
		if err != nil {
			out = append(out, err)
			return
		}
		v := &volume.Volume{Grid: h.Grid(), Path: path, Source: h}
		if first == nil {
			first = v
		} else if anySpace || v.Grid.Reordered(first.Grid) { // it is put into the first image's order
			return
		} else if err := volume.SameSpace(first, v); err != nil {
			out = append(out, err)
		}
	}
	for _, p := range c.Times {
		look(p, settings.ResampleTimes)
	}
	if first == nil {
		return out
	}
	if masks {
		if len(c.Masks) == 0 {
			out = append(out, fmt.Errorf("no lesion mask"))
		}
		for _, p := range c.Masks {
			look(p, false)
		}
	}
	if c.Brain != "" {
		look(c.Brain, false)
	}
	if maps && c.WhiteMatter != "" {
		look(c.WhiteMatter, true) // a map may have a grid of its own
	}
	return out
}
