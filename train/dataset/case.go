package dataset

import (
	"fmt"
	"sort"
	"strings"
)

// Case is one training example on disk.
type Case struct {
	ID      string   // unique in its set
	Patient string   // cases of one patient never fall on both sides of a split
	Times   []string // FLAIR files, one per time point, earliest first
	Masks   []string // lesion masks that are merged by Merge; empty if there is none
	Merge   Merge    // how several masks become one
	Brain   string   // brain mask file; "" if there is none

	// WhiteMatter is a map of the white matter's likelihood, in the images' space;
	// "" if there is none.
	WhiteMatter string

	// Missing names the files that the layout asks for and that are not there.
	Missing []string
}

// Merge says how several raters' masks become one.
type Merge string

const (
	// Majority keeps a voxel that more than half of the raters marked. With two
	// raters both must agree.
	Majority Merge = "majority"
	// Any keeps a voxel that at least one rater marked.
	Any Merge = "any"
)

// Set is the cases of one data set, in the order of their IDs.
type Set struct {
	Root   string // folder or table it was found in
	Layout string // the layout's name, see the package comment
	Cases  []Case
}

// TimePoints is the number of images per case: 1 or 2, the same for all. Cases
// that differ, or miss a file, are an error.
func (s *Set) TimePoints() (int, error) {
	if len(s.Cases) == 0 {
		return 0, fmt.Errorf("%s: no cases", s.Root)
	}
	n := len(s.Cases[0].Times)
	for _, c := range s.Cases {
		if len(c.Times) != n {
			return 0, fmt.Errorf("%s: case %s has %d time points but %s has %d; put them into separate data sets",
				s.Root, c.ID, len(c.Times), s.Cases[0].ID, n)
		}
	}
	return n, nil
}

// Complete returns an error that names every missing file, or nil.
func (s *Set) Complete() error {
	var lines []string
	for _, c := range s.Cases {
		for _, m := range c.Missing {
			lines = append(lines, fmt.Sprintf("  %s: %s", c.ID, m))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("%s (layout %s): files are missing:\n%s", s.Root, s.Layout, strings.Join(lines, "\n"))
}

// Patients is the patients' names, sorted.
func (s *Set) Patients() []string {
	seen := map[string]bool{}
	var out []string
	for _, c := range s.Cases {
		if !seen[c.Patient] {
			seen[c.Patient] = true
			out = append(out, c.Patient)
		}
	}
	sort.Strings(out)
	return out
}

// finish sorts the cases and refuses two with one name.
func (s *Set) finish() (*Set, error) {
	sort.SliceStable(s.Cases, func(i, j int) bool { return s.Cases[i].ID < s.Cases[j].ID })
	for i := 1; i < len(s.Cases); i++ {
		if s.Cases[i].ID == s.Cases[i-1].ID {
			return nil, fmt.Errorf("%s: two cases are called %q; case names must be unique", s.Root, s.Cases[i].ID)
		}
	}
	if len(s.Cases) == 0 {
		return nil, fmt.Errorf("%s: layout %s, but no case in it", s.Root, s.Layout)
	}
	return s, nil
}
