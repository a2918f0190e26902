package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Options say how to read a data set. The zero value detects the layout and
// takes the consensus mask where there is one, else the raters' majority.
type Options struct {
	// Layout is a layout's name; "" or "auto" detects it.
	Layout string `toml:"layout" comment:"how the files are arranged; auto detects it"`

	// Truth chooses the mask: "auto" (the consensus file if there is one, else the
	// raters' majority), "consensus", "majority", "any" (a voxel that one rater
	// marked counts), or "rater1", "rater2", ….
	Truth string `toml:"truth" comment:"auto, consensus, majority, any, or rater1, rater2, ..."`

	// Channels are nnU-Net's channel numbers that are used as time points; empty
	// uses all, of which there must be one or two.
	Channels []int `toml:"channels" comment:"nnU-Net layout: channels that are the time points"`
}

// layout recognises and lists one way of storing a set.
type layout struct {
	name  string
	looks string // what detection looks for, for the error message
	find  func(root string, opt Options) ([]Case, error)
}

func layouts() []layout {
	l := []layout{{"nnunet", "dataset.json and imagesTr/", findNNUNet}}
	for _, f := range folderLayouts {
		l = append(l, layout{f.name, f.looks(), f.find})
	}
	return append(l,
		layout{"isbi2015", "training*/preprocessed/training*_*_flair_pp.nii", findISBI},
		layout{"csv", "a table *.csv, or cases.csv in the folder", findCSV})
}

// Layouts is the names of all layouts.
func Layouts() []string {
	var n []string
	for _, l := range layouts() {
		n = append(n, l.name)
	}
	return n
}

// Open lists the cases under root: a folder in one of the layouts, or a CSV
// table. It reads no image. Files that a recognised case lacks are in the case's
// Missing; see Set.Complete.
func Open(root string, opt Options) (*Set, error) {
	if err := checkTruth(opt.Truth); err != nil {
		return nil, err
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", root, err)
	}
	if !info.IsDir() {
		if opt.Layout != "" && opt.Layout != "auto" && opt.Layout != "csv" {
			return nil, fmt.Errorf("data set %s: layout %s needs a folder, this is a file", root, opt.Layout)
		}
		return openAs("csv", findCSV, root, opt)
	}
	if opt.Layout != "" && opt.Layout != "auto" {
		for _, l := range layouts() {
			if l.name == opt.Layout {
				s, err := openAs(l.name, l.find, root, opt)
				if err == nil && len(s.Cases) == 0 {
					err = fmt.Errorf("data set %s: no case in layout %s; looked for %s", root, l.name, l.looks)
				}
				return s, err
			}
		}
		return nil, fmt.Errorf("data set %s: unknown layout %q; known: %s", root, opt.Layout, strings.Join(Layouts(), ", "))
	}
	var found []*Set
	for _, l := range layouts() {
		cases, err := l.find(root, opt)
		if err != nil {
			return nil, err
		}
		if len(cases) > 0 {
			found = append(found, &Set{Root: root, Layout: l.name, Cases: cases})
		}
	}
	switch len(found) {
	case 0:
		var b strings.Builder
		fmt.Fprintf(&b, "data set %s: no known layout; looked for", root)
		for _, l := range layouts() {
			fmt.Fprintf(&b, "\n  %-16s %s", l.name, l.looks)
		}
		return nil, fmt.Errorf("%s", b.String())
	case 1:
		return found[0].finish()
	}
	var names []string
	for _, s := range found {
		names = append(names, s.Layout)
	}
	return nil, fmt.Errorf("data set %s: several layouts fit (%s); choose one with the layout option", root, strings.Join(names, ", "))
}

func openAs(name string, find func(string, Options) ([]Case, error), root string, opt Options) (*Set, error) {
	cases, err := find(root, opt)
	if err != nil {
		return nil, err
	}
	s := &Set{Root: root, Layout: name, Cases: cases}
	if len(cases) == 0 {
		return s, nil
	}
	return s.finish()
}

// nifti is base with the ending that exists, ".nii.gz" first; false if neither does.
func nifti(base string) (string, bool) {
	for _, ext := range []string{".nii.gz", ".nii"} {
		if info, err := os.Stat(base + ext); err == nil && !info.IsDir() {
			return base + ext, true
		}
	}
	return "", false
}

func checkTruth(t string) error {
	if slices.Contains([]string{"", "auto", "consensus", "majority", "any"}, t) {
		return nil
	}
	if _, ok := raterNumber(t); ok {
		return nil
	}
	return fmt.Errorf("truth %q: want auto, consensus, majority, any, or rater1, rater2, …", t)
}

func raterNumber(t string) (int, bool) {
	s, ok := strings.CutPrefix(t, "rater")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1
}

// chooseTruth fills a case's masks from the consensus file ("" if there is none)
// and the raters' files (rater number to path). where says what was looked for.
func chooseTruth(c *Case, truth, consensus string, raters map[int]string, where string) {
	c.Merge = Majority
	all := func() {
		nums := make([]int, 0, len(raters))
		for n := range raters {
			nums = append(nums, n)
		}
		slices.Sort(nums)
		for _, n := range nums {
			c.Masks = append(c.Masks, raters[n])
		}
	}
	switch truth {
	case "", "auto":
		if consensus != "" {
			c.Masks = []string{consensus}
		} else {
			all()
		}
	case "consensus":
		if consensus != "" {
			c.Masks = []string{consensus}
		}
	case "majority":
		all()
	case "any":
		c.Merge = Any
		all()
	default:
		n, _ := raterNumber(truth)
		if p, ok := raters[n]; ok {
			c.Masks = []string{p}
		}
	}
	if len(c.Masks) == 0 {
		what := "lesion mask"
		if truth != "" && truth != "auto" {
			what = fmt.Sprintf("lesion mask for truth = %q", truth)
		}
		c.Missing = append(c.Missing, fmt.Sprintf("%s (looked for %s)", what, where))
	}
}

// subfolders lists the folders under root whose relative path matches pattern, sorted.
func subfolders(root, pattern string) ([]string, error) {
	// The root's own name may hold glob characters, so match relative to it.
	names, err := globRel(root, strings.Split(pattern, "/"))
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", root, err)
	}
	return names, nil
}

func globRel(root string, parts []string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if ok, _ := filepath.Match(parts[0], e.Name()); !ok {
			continue
		}
		full := filepath.Join(root, e.Name())
		if info, err := os.Stat(full); err != nil || !info.IsDir() {
			continue
		}
		if len(parts) == 1 {
			out = append(out, e.Name())
			continue
		}
		below, err := globRel(full, parts[1:])
		if err != nil {
			return nil, err
		}
		for _, b := range below {
			out = append(out, filepath.Join(e.Name(), b))
		}
	}
	return out, nil
}
