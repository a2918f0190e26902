package dataset

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"voxgrad/internal/rng"
	"voxgrad/internal/text"
	"voxgrad/internal/warn"
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

// Merge states how several raters' masks become one.
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

	Notes    []string  // how the files were read, where there was a choice
	Problems []Problem // of the set as a whole; those of level Error make it unusable
	Unused   []Unused  // files in its folder that no case is made of
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

// Need refuses a set whose cases do not all have that number of images, or miss a
// file. what names who needs them.
func (s *Set) Need(images int, what string) error {
	if err := s.Complete(); err != nil {
		return err
	}
	have, err := s.TimePoints()
	if err != nil {
		return err
	}
	if have == images {
		return nil
	}
	hint := ""
	if s.Layout == "nnunet" && have > images {
		hint = "; --channels 0 (channels = [0] in a configuration) takes the first channel alone"
	}
	return fmt.Errorf("data set %s (layout %s) has %s per case; %s takes %d%s", s.Root, s.Layout, text.Plural(have, "image"), what, images, hint)
}

// Complete returns an error that names every missing file and what else is wrong
// with the set as a whole, or nil.
func (s *Set) Complete() error {
	for _, p := range s.Problems {
		if p.Level == Error {
			return errors.New(p.Text)
		}
	}
	var lines []string
	for _, c := range s.Cases {
		for _, m := range c.Missing {
			lines = append(lines, fmt.Sprintf("  %s: %s", text.Clean(c.ID), m))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("%s (layout %s): files are missing:\n%s", s.Root, s.Layout, strings.Join(lines, "\n"))
}

// Warn logs what a user of the set should know: cautions about it as a whole, and
// files that may be cases and are none.
func (s *Set) Warn() {
	for _, p := range s.Problems {
		if p.Level == Caution {
			warn.Once("%s", p.Text)
		}
	}
	for _, g := range s.NotUsed() {
		if g.Lost {
			warn.Once("%s: not in the data set: %s", s.Root, g)
		}
	}
}

// UnusedGroup are unused files with one reason.
type UnusedGroup struct {
	Reason string
	Lost   bool
	Paths  []string
}

func (g UnusedGroup) String() string {
	names := g.Paths
	times := map[string]int{} // files of one name in many folders are told once
	var bases []string
	for _, p := range g.Paths {
		b := path.Base(filepath.ToSlash(p))
		if times[b] == 0 {
			bases = append(bases, b)
		}
		times[b]++
	}
	if 2*len(bases) <= len(g.Paths) {
		names = nil
		for _, b := range bases {
			names = append(names, fmt.Sprintf("%s (%d times)", b, times[b]))
		}
	}
	return fmt.Sprintf("%s (%s): %s", text.Plural(len(g.Paths), "file"), g.Reason, list(names))
}

// NotUsed is Unused by reason, what may be lost first.
func (s *Set) NotUsed() (groups []UnusedGroup) {
	for _, u := range s.Unused {
		n := slices.IndexFunc(groups, func(g UnusedGroup) bool { return g.Reason == u.Reason && g.Lost == u.Lost })
		if n < 0 {
			n = len(groups)
			groups = append(groups, UnusedGroup{Reason: u.Reason, Lost: u.Lost})
		}
		groups[n].Paths = append(groups[n].Paths, text.Clean(u.Path))
	}
	slices.SortStableFunc(groups, func(a, b UnusedGroup) int {
		switch {
		case a.Lost == b.Lost:
			return 0
		case a.Lost:
			return -1
		}
		return 1
	})
	return groups
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

// ownPatients is the note on sets that do not say whose the cases are.
const ownPatients = "every case is taken as a patient of its own: scans of one patient may fall on both sides of a split; a table with a column patient says which belong together"

// maxName is the longest name of a case: files are called after it, with endings
// and, until they are complete, more letters in front, and a file system takes 255
// bytes.
const maxName = 200

// finish sorts the cases and refuses names that cannot be a case's, and two with one name.
func (s *Set) finish() (*Set, error) {
	sort.SliceStable(s.Cases, func(i, j int) bool { return s.Cases[i].ID < s.Cases[j].ID })
	for i, c := range s.Cases {
		if len(c.ID) > maxName {
			return nil, fmt.Errorf("%s: the name of case \"%s\" has %d bytes: files are called after it, at most %d are possible", s.Root, text.CleanTo(c.ID, 60), len(c.ID), maxName)
		}
		if i > 0 && c.ID == s.Cases[i-1].ID {
			return nil, fmt.Errorf("%s: two cases are called \"%s\"; case names must be unique", s.Root, text.Clean(c.ID))
		}
	}
	if len(s.Cases) == 0 {
		return nil, fmt.Errorf("%s: layout %s, but no case in it", s.Root, s.Layout)
	}
	s.sharedImages()
	s.mixed()
	return s, nil
}

// sharedImages cautions of images that stand for two time points or two cases.
func (s *Set) sharedImages() {
	seen := map[string]string{}
	for _, c := range s.Cases {
		for _, p := range c.Times {
			key := filepath.Clean(p)
			other, again := seen[key]
			seen[key] = c.ID
			switch {
			case again && other == c.ID:
				s.Problems = append(s.Problems, Problem{Level: Caution, Text: fmt.Sprintf("%s: both time points of case %s are %s: nothing can be new in it", s.Root, text.Clean(c.ID), p)})
			case again:
				s.Problems = append(s.Problems, Problem{Level: Caution, Text: fmt.Sprintf("%s: cases %s and %s have the same image %s", s.Root, text.Clean(other), text.Clean(c.ID), p)})
			}
		}
	}
}

// mixed cautions of cases that are read in other ways than the rest.
func (s *Set) mixed() {
	for _, kind := range []struct {
		of  func(c *Case) string
		say string
	}{
		{func(c *Case) string {
			switch n := len(c.Masks); {
			case n == 0:
				return "" // missing: told as such
			case n == 1:
				return "one mask"
			default:
				return fmt.Sprintf("the %s of %d raters", map[Merge]string{Majority: "majority", Any: "union"}[c.Merge], n)
			}
		}, "the truth is not made alike in all cases"},
		{func(c *Case) string {
			if c.Brain == "" {
				return "no brain mask: training takes them as skull-stripped"
			}
			return "a brain mask"
		}, "not all cases have a brain mask"},
	} {
		cases := map[string][]string{}
		for n := range s.Cases {
			if k := kind.of(&s.Cases[n]); k != "" {
				cases[k] = append(cases[k], text.Clean(s.Cases[n].ID))
			}
		}
		if len(cases) < 2 {
			continue
		}
		var parts []string
		for _, k := range slices.Sorted(maps.Keys(cases)) {
			parts = append(parts, fmt.Sprintf("%s (%s: %s)", k, text.Plural(len(cases[k]), "case"), list(cases[k])))
		}
		s.Problems = append(s.Problems, Problem{Level: Caution, Text: fmt.Sprintf("%s: %s: %s", s.Root, kind.say, strings.Join(parts, "; "))})
	}
}

// Split states which cases train and which validate, as indices into Set.Cases.
type Split struct{ Train, Valid []int }

// KFold splits by patient into folds parts and returns the split in which part
// fold (from 0) validates. Patients are shuffled by the seed; the parts differ by
// at most one patient. All folds of one seed together validate every case once.
// One fold alone means no split: every case both trains and validates, which is
// all that a single patient allows.
func (s *Set) KFold(seed uint64, folds, fold int) (Split, error) {
	patients := s.Patients()
	if folds < 1 {
		return Split{}, fmt.Errorf("%d folds: want 1 (no split) or more", folds)
	}
	if fold < 0 || fold >= folds {
		return Split{}, fmt.Errorf("fold %d: with %d folds it must be 0 to %d", fold, folds, folds-1)
	}
	if len(patients) < folds {
		return Split{}, fmt.Errorf("%s has %s, too few for %d folds; choose fewer folds", s.Root, text.Plural(len(patients), "patient"), folds)
	}
	if folds == 1 {
		var all []int
		for i := range s.Cases {
			all = append(all, i)
		}
		return Split{Train: all, Valid: all}, nil
	}
	valid := map[string]bool{}
	for i, p := range rng.New(seed, "folds").Perm(len(patients)) {
		if i%folds == fold {
			valid[patients[p]] = true
		}
	}
	var out Split
	for i, c := range s.Cases {
		if valid[c.Patient] {
			out.Valid = append(out.Valid, i)
		} else {
			out.Train = append(out.Train, i)
		}
	}
	return out, nil
}
