package view

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"voxgrad/internal/text"
	"voxgrad/report"
	"voxgrad/volume"
)

// MaxScans is how many scans are shown side by side at most: each takes a WebGL
// context, of which browsers allow few.
const MaxScans = 6

// Scan is an image to show in a pane of its own.
type Scan struct {
	Label string // what it is: "time 1"
	Path  string
}

// Files names what to show. The masks and the map are drawn over every scan; ""
// is none.
type Files struct {
	Scans                    []Scan
	Mask, Truth, Probability string
}

// Study is a set of images that were read, checked and put into the form that the
// page loads.
type Study struct {
	images  [][]byte // NIfTI, by index
	content content
}

// content is what the page is told about the images.
type content struct {
	Scans       []scan       `json:"scans"`
	Overlay     *overlay     `json:"overlay"`
	Probability *probability `json:"probability"`
	Lesions     []Lesion     `json:"lesions"`
	Notes       []string     `json:"notes"`
}

type scan struct {
	Image int     `json:"image"`
	Label string  `json:"label"`
	Name  string  `json:"name"`
	Low   float64 `json:"low"` // shown black
	High  float64 `json:"high"`
}

type probability struct {
	Image  int        `json:"image"`
	Name   string     `json:"name"`
	Colors [][3]uint8 `json:"colors"` // of values from 0 to 1, equally spaced
}

// Lesions is what the page lists.
func (s *Study) Lesions() []Lesion { return s.content.Lesions }

// Notes reports what a reader should know about the files: grids that differ, voxels
// that are no numbers.
func (s *Study) Notes() []string { return s.content.Notes }

func (s *Study) note(format string, a ...any) {
	s.content.Notes = append(s.content.Notes, fmt.Sprintf(format, a...))
}

// Load reads the files. Images may be on different grids of one world, which is
// noted; mask and truth must share theirs to be compared. Errors name the file: it
// cannot be read, is no NIfTI image, or is not what it is given as.
func Load(f Files) (*Study, error) {
	if len(f.Scans) == 0 {
		return nil, fmt.Errorf("no scan to show: masks and probabilities are drawn over a scan")
	}
	if len(f.Scans) > MaxScans {
		return nil, fmt.Errorf("%d scans: at most %d can be shown side by side", len(f.Scans), MaxScans)
	}
	s := &Study{content: content{Lesions: []Lesion{}, Notes: []string{}}}
	name := shortNames(f.paths())
	var first *volume.Volume
	for _, in := range f.Scans {
		v, err := volume.Read(in.Path)
		if err != nil {
			return nil, err
		}
		if n := zeroNonFinite(v); n > 0 {
			s.note("%s: %s %s NaN or infinite, shown as 0", in.Path, text.Plural(n, "voxel"), text.Noun(n, "is", "are"))
		}
		if first == nil {
			first = v
		} else {
			s.noteSpace(first, v)
		}
		low, high := report.GreyScale(v.Data, v.NonZero().Data)
		up, degrees := upright(v)
		if degrees > 0 {
			s.note("%s is tilted by %.1f degrees: it is shown resampled along the world's axes, its intensities interpolated.", in.Path, degrees)
		}
		at, err := s.add(up)
		if err != nil {
			return nil, err
		}
		s.content.Scans = append(s.content.Scans, scan{Image: at, Label: in.Label, Name: name[in.Path], Low: low, High: high})
	}
	mask, err := s.readOver(f.Mask, first)
	if err != nil {
		return nil, err
	}
	truth, err := s.readOver(f.Truth, first)
	if err != nil {
		return nil, err
	}
	prob, err := s.readProbability(f.Probability, first, name)
	if err != nil {
		return nil, err
	}
	if mask == nil && truth == nil {
		return s, nil
	}
	if err := s.addOverlay(mask, truth, name); err != nil {
		return nil, err
	}
	return s, s.addLesions(mask, truth, prob)
}

func (f Files) paths() []string {
	var all []string
	for _, p := range f.Scans {
		all = append(all, p.Path)
	}
	for _, p := range []string{f.Mask, f.Truth, f.Probability} {
		if p != "" {
			all = append(all, p)
		}
	}
	return all
}

// readOver reads a mask, or an image of several labels, all of which are shown; nil for "".
func (s *Study) readOver(path string, first *volume.Volume) (*volume.Volume, error) {
	if path == "" {
		return nil, nil
	}
	v, err := volume.Read(path)
	if err != nil {
		return nil, err
	}
	labels, err := v.Labels()
	if err != nil {
		return nil, fmt.Errorf("%w (a map is shown by --probability, a scan by its name alone)", err)
	}
	kinds := map[uint16]bool{}
	for x, l := range labels {
		v.Data[x] = float32(l)
		if l != 0 {
			kinds[l] = true
		}
	}
	s.noteSpace(first, v)
	if len(kinds) > 1 {
		s.note("%s holds %d labels: every one of them is shown as lesion", path, len(kinds))
	}
	marked := v.NonZero().Count()
	// No disease fills a third of a field of view.
	if share := float64(marked) / float64(v.Len()); share > 1.0/3 {
		s.note("%s marks %.0f %% of its voxels: is it a mask of lesions?", path, 100*share)
	}
	return v, nil
}

// readProbability reads and adds the map of probabilities; nil for "".
func (s *Study) readProbability(path string, first *volume.Volume, name map[string]string) (*volume.Volume, error) {
	if path == "" {
		return nil, nil
	}
	v, err := volume.Read(path)
	if err != nil {
		return nil, err
	}
	if err := v.CheckFinite(); err != nil {
		return nil, err
	}
	low, high := v.Data[0], v.Data[0]
	for _, p := range v.Data {
		low, high = min(low, p), max(high, p)
	}
	const slack = 1e-3 // of rounding
	if low < -slack || high > 1+slack {
		return nil, fmt.Errorf("%s: values from %g to %g: probabilities lie between 0 and 1; give it as a scan if it is none", path, low, high)
	}
	s.noteSpace(first, v)
	at, err := s.add(v)
	if err != nil {
		return nil, err
	}
	s.content.Probability = &probability{Image: at, Name: name[path], Colors: heatColors()}
	return v, nil
}

// noteSpace notes where b is on another grid than a.
func (s *Study) noteSpace(a, b *volume.Volume) {
	if err := volume.SameSpace(a, b); err != nil {
		s.note("%v. Each is shown where its header says.", err)
	}
}

// zeroNonFinite sets NaN and infinite voxels to 0 and counts them.
func zeroNonFinite(v *volume.Volume) int {
	n := 0
	for x, f := range v.Data {
		if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
			v.Data[x] = 0
			n++
		}
	}
	return n
}

// shortNames maps each path to its last elements, as many as tell it from the
// others.
func shortNames(paths []string) map[string]string {
	tail := func(path string, n int) string {
		parts := strings.Split(filepath.ToSlash(path), "/")
		return strings.Join(parts[max(0, len(parts)-n):], "/")
	}
	names := map[string]string{}
	for _, p := range paths {
		n := 1
		for _, q := range paths {
			for q != p && tail(q, n) == tail(p, n) && tail(p, n) != filepath.ToSlash(p) {
				n++
			}
		}
		names[p] = tail(p, n)
	}
	return names
}

// add encodes v for the page and returns its index. Only voxels and their place go
// out: what else the file's header holds stays in the file.
func (s *Study) add(v *volume.Volume) (int, error) {
	plain := &volume.Volume{Grid: v.Grid, Data: v.Data, Path: v.Path}
	var b bytes.Buffer
	if err := volume.Encode(&b, plain, storage(v)); err != nil {
		return 0, err
	}
	s.images = append(s.images, b.Bytes())
	return len(s.images) - 1, nil
}

// storage is the smallest of the types every browser draws that holds v exactly.
func storage(v *volume.Volume) volume.DType {
	low, high := 0.0, 0.0
	for _, f := range v.Data {
		x := float64(f)
		if x != math.Trunc(x) {
			return volume.Float32
		}
		low, high = min(low, x), max(high, x)
	}
	switch {
	case low >= 0 && high <= math.MaxUint8:
		return volume.Uint8
	case low >= math.MinInt16 && high <= math.MaxInt16:
		return volume.Int16
	}
	return volume.Float32
}

// overlay is a mask, or two that are compared, as an image of classes 1, 2, …
type overlay struct {
	Image   int      `json:"image"`
	Label   string   `json:"label"` // what it is: "mask" or "truth"
	Names   []string `json:"names"` // of the files
	Classes []class  `json:"classes"`
}

type class struct {
	Name   string   `json:"name"`
	Color  [3]uint8 `json:"color"`
	Status Status   `json:"status"` // of the lesions that are listed in this colour
}

// addOverlay adds the image of classes: the colours of the paper's Figure 6 where
// both masks are given, else one, which says what it is.
func (s *Study) addOverlay(mask, truth *volume.Volume, name map[string]string) error {
	o := &overlay{Label: "mask"}
	one := mask
	if mask == nil {
		one = truth
	}
	image := &volume.Volume{Grid: one.Grid, Data: make([]float32, one.Len()), Path: one.Path}
	if mask != nil && truth != nil {
		if err := volume.SameSpace(truth, mask); err != nil {
			return err
		}
		o.Names = []string{name[mask.Path], name[truth.Path]}
		o.Classes = []class{
			{"true positive", rgb(report.TruePositive), Found},
			{"false negative", rgb(report.FalseNegative), Missed},
			{"false positive", rgb(report.FalsePositive), False},
		}
		for x, m := range mask.Data {
			switch t := truth.Data[x] != 0; {
			case m != 0 && t:
				image.Data[x] = 1
			case t:
				image.Data[x] = 2
			case m != 0:
				image.Data[x] = 3
			}
		}
	} else {
		o.Names = []string{name[one.Path]}
		o.Classes = []class{{"lesion", rgb(report.Predicted), Marked}}
		if mask == nil {
			o.Label, o.Classes = "truth", []class{{"true lesion", rgb(report.TruePositive), Marked}}
		}
		for x, m := range one.Data {
			if m != 0 {
				image.Data[x] = 1
			}
		}
	}
	at, err := s.add(padded(image))
	o.Image = at
	s.content.Overlay = o
	return err
}
