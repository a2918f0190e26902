package dataset

import (
	"fmt"
	"strings"

	"voxgrad/train/prep"
	"voxgrad/volume"
)

// manyProblems is how many an error lists before it counts the rest.
const manyProblems = 10

// CheckHeaders is Check's quick part, for a long run to begin with: it reads no
// voxels. The error names every file that is missing, is no image or lies in
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
		v := &volume.Volume{Grid: h.Grid(), Path: path}
		if first == nil {
			first = v
		} else if err := volume.SameSpace(first, v); err != nil && !anySpace {
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
