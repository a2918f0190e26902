package synth

import (
	"fmt"

	"voxgrad/augment"
	"voxgrad/volume"
)

// Shape is the form of a lesion, cropped to its bounding box.
type Shape struct {
	Case string // where it comes from
	Size [3]int
	// Voxels are the positions that belong to it, in raster order.
	Voxels [][3]int
}

// Library holds the shapes that generated lesions are drawn from. Filled once, it
// may be read by several goroutines.
type Library struct {
	min, max int
	shapes   []Shape
	cases    map[string]int // shapes of each case
}

// NewLibrary keeps shapes within the options' size limits.
func NewLibrary(o Options) *Library {
	return &Library{min: o.ShapeMin, max: o.ShapeMax, cases: map[string]int{}}
}

// Add takes the lesions of a case's mask, in the order of patches, and tells how
// many were within the limits. What is drawn depends on the order in which cases
// are added.
func (l *Library) Add(id string, mask []bool, size [3]int) (added int, err error) {
	if len(mask) != size[0]*size[1]*size[2] || len(mask) == 0 {
		return 0, fmt.Errorf("synth: a mask of %v voxels with %d values", size, len(mask))
	}
	for _, list := range components(mask, size) {
		if len(list) < l.min || len(list) > l.max {
			continue
		}
		l.shapes = append(l.shapes, crop(id, list, size))
		added++
	}
	l.cases[id] += added
	return added, nil
}

// Len is the number of shapes.
func (l *Library) Len() int { return len(l.shapes) }

// Cases is the number of cases with a shape.
func (l *Library) Cases() int {
	n := 0
	for _, k := range l.cases {
		if k > 0 {
			n++
		}
	}
	return n
}

// Draw picks one of the shapes that are not of the case except, all equally
// likely; ok is false where there is none. If orient is set, one of the 48
// orientations is drawn too, all equally likely.
func (l *Library) Draw(s *augment.Stream, except string, orient bool) (shape Shape, ok bool) {
	return l.draw(s, except, orient, func(Shape) int { return 1 })
}

// draw is Draw with weights of the shapes.
func (l *Library) draw(s *augment.Stream, except string, orient bool, weight func(Shape) int) (shape Shape, ok bool) {
	n := 0
	for _, c := range l.shapes {
		if c.Case != except {
			n += weight(c)
		}
	}
	if n == 0 {
		return Shape{}, false
	}
	k := s.Intn(n)
	for _, c := range l.shapes {
		if c.Case == except {
			continue
		}
		if k -= weight(c); k < 0 {
			shape = c
			break
		}
	}
	if orient {
		perm := s.Perm(3)
		var flip [3]bool
		for a := range flip {
			flip[a] = s.Bool(0.5)
		}
		shape = shape.orient([3]int(perm), flip)
	}
	return shape, true
}

// volume is a shape's number of voxels.
func (s Shape) volume() int { return len(s.Voxels) }

// crop makes a shape of a component.
func crop(id string, list []int32, size [3]int) Shape {
	lo, hi := size, [3]int{-1, -1, -1}
	for _, i := range list {
		at := unindex(int(i), size)
		for a := range at {
			lo[a], hi[a] = min(lo[a], at[a]), max(hi[a], at[a])
		}
	}
	s := Shape{Case: id, Voxels: make([][3]int, 0, len(list))}
	for a := range lo {
		s.Size[a] = hi[a] - lo[a] + 1
	}
	for _, i := range list {
		at := unindex(int(i), size)
		for a := range at {
			at[a] -= lo[a]
		}
		s.Voxels = append(s.Voxels, at)
	}
	return s
}

// orient exchanges and mirrors axes: axis a of the result is axis perm[a] of s,
// counted from its other end if flip[a].
func (s Shape) orient(perm [3]int, flip [3]bool) Shape {
	t := Shape{Case: s.Case, Voxels: make([][3]int, len(s.Voxels))}
	for a := range perm {
		t.Size[a] = s.Size[perm[a]]
	}
	for n, v := range s.Voxels {
		for a := range perm {
			x := v[perm[a]]
			if flip[a] {
				x = t.Size[a] - 1 - x
			}
			t.Voxels[n][a] = x
		}
	}
	return t
}

// AddFiles adds the lesions of a mask, or of every mask in a folder, in the order of their names. Masks are
// brought to 1 mm.
func (l *Library) AddFiles(path string) error {
	files, err := FindAnatomies(path)
	if err != nil {
		return err
	}
	for _, f := range files {
		m, err := volume.ReadMask(f)
		if err != nil {
			return err
		}
		g, err := volume.Iso(m.Grid, 1)
		if err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
		m = m.Resample(g)
		mask := make([]bool, len(m.Data))
		volume.ToNetwork(mask, m.Data, g.Size, [3]int{}, g.Size)
		if _, err := l.Add(f, mask, g.Size); err != nil {
			return fmt.Errorf("%s: %w", f, err)
		}
	}
	if l.Len() == 0 {
		return fmt.Errorf("%s: no lesion of %d to %d voxels in its masks", path, l.min, l.max)
	}
	return nil
}
