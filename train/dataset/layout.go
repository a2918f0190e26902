package dataset

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"voxgrad/internal/text"
)

// Options state how to read a data set. The zero value detects the layout and
// takes the consensus mask where there is one, else the raters' majority.
type Options struct {
	// Layout is a layout's name; "" or "auto" detects it.
	Layout string `toml:"layout" comment:"how the files are arranged; auto detects it"`

	// Truth chooses the mask: "auto" (the consensus file if there is one, else the
	// raters' majority), "consensus", "majority", "any" (a voxel that one rater
	// marked counts), or "rater1", "rater2", ….
	Truth string `toml:"truth" comment:"whose mask: auto, consensus, majority, any, or rater1, rater2, ..."`

	// Channels are nnU-Net's channel numbers that are used as time points; empty
	// uses all, of which there must be one or two.
	Channels []int `toml:"channels" comment:"nnU-Net layout: channels that are the time points"`
}

// layout is one way of storing a data set: which files a case has. Names are without
// ending.
type layout struct {
	name string
	dirs string   // pattern of a case's folder, relative to the set's
	time []string // images, all needed, relative to the case's folder

	truth       string // the consensus
	rater       string // one rater's mask, with %d for the rater's number
	raters      int
	brain       string // optional, as the next one
	whiteMatter string

	// visits: a folder has several cases, and * in the names stands for the case's name.
	visits bool

	looks string                                                 // what detection looks for, in place of the images
	find  func(root *folder, opt Options, into *Set) (err error) // in place of the above
}

var layouts []layout

func init() { // the functions name the table
	layouts = []layout{
		{name: "nnunet", looks: "dataset.json and imagesTr/", find: findNNUNet},
		{
			name: "challenge", dirs: "*",
			time:  []string{"flair_time01_on_middle_space", "flair_time02_on_middle_space"},
			truth: "ground_truth", rater: "ground_truth_expert%d", raters: 4, brain: "brain_mask",
		},
		{
			name: "longitudinal", dirs: "*",
			time:  []string{"flair_time01", "flair_time02"},
			truth: "new_lesions", brain: "brainmask",
		},
		{
			name: "cross-sectional", dirs: "*",
			time:  []string{"flair"},
			truth: "lesions", brain: "brainmask", whiteMatter: "white_matter",
		},
		{
			name: "msseg2016", dirs: "Center_*/Patient_*",
			time:  []string{"Preprocessed_Data/FLAIR_preprocessed"},
			truth: "Masks/Consensus", rater: "Masks/ManualSegmentation_%d", raters: 7, brain: "Masks/Brain_Mask",
		},
		{
			name: "isbi2015", dirs: "training*", visits: true,
			time:  []string{"preprocessed/*_flair_pp"},
			rater: "masks/*_mask%d", raters: 2,
		},
		{name: "csv", looks: "a table *.csv, or cases.csv in the folder", find: findTable},
	}
}

// Layouts is the names of all layouts.
func Layouts() []string {
	var n []string
	for _, l := range layouts {
		n = append(n, l.name)
	}
	return n
}

// lookedFor is what detection looks for, for error messages.
func (l *layout) lookedFor() string {
	if l.looks != "" {
		return l.looks
	}
	var names []string
	for _, t := range l.time {
		names = append(names, t+".nii.gz")
	}
	return l.dirs + "/" + strings.Join(names, " and ")
}

// Open lists the cases under root: a folder in one of the layouts, or a CSV
// table. It reads no image. Files that a recognised case lacks are in the case's
// Missing; see Set.Complete. What the folder holds besides is in Unused.
func Open(root string, opt Options) (*Set, error) {
	if err := checkTruth(opt.Truth); err != nil {
		return nil, err
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", root, err)
	}
	forced := opt.Layout != "" && opt.Layout != "auto"
	if forced && !slices.Contains(Layouts(), opt.Layout) {
		return nil, fmt.Errorf("data set %s: unknown layout %q; known: %s%s", root, opt.Layout, strings.Join(Layouts(), ", "), text.DidYouMean(opt.Layout, Layouts()))
	}
	if !info.IsDir() {
		if forced && opt.Layout != "csv" {
			return nil, fmt.Errorf("data set %s: layout %s needs a folder, this is a file", root, opt.Layout)
		}
		opt.Layout, forced = "csv", true
	}
	var found []*Set
	for n := range layouts {
		l := &layouts[n]
		if forced && l.name != opt.Layout {
			continue
		}
		s, err := l.open(root, opt)
		if err != nil {
			return nil, err
		}
		if len(s.Cases) > 0 {
			found = append(found, s)
		} else if forced {
			return nil, fmt.Errorf("data set %s: no case in layout %s; looked for %s", root, l.name, l.lookedFor())
		}
	}
	switch len(found) {
	case 0:
		var b strings.Builder
		fmt.Fprintf(&b, "data set %s: no known layout; looked for", root)
		for _, l := range layouts {
			fmt.Fprintf(&b, "\n  %-16s %s", l.name, l.lookedFor())
		}
		return nil, fmt.Errorf("%s", b.String())
	case 1:
		if len(opt.Channels) > 0 && found[0].Layout != "nnunet" {
			return nil, fmt.Errorf("data set %s: layout %s has no channels; the channels option is for layout nnunet", root, found[0].Layout)
		}
		return found[0].finish()
	}
	var names []string
	for _, s := range found {
		names = append(names, s.Layout)
	}
	return nil, fmt.Errorf("data set %s: several layouts fit (%s); choose one with the layout option", root, strings.Join(names, ", "))
}

// open lists the cases of one layout.
func (l *layout) open(root string, opt Options) (*Set, error) {
	s := &Set{Root: root, Layout: l.name}
	f := newFolder(root)
	if l.find != nil {
		err := l.find(f, opt, s)
		return s, err
	}
	at, err := l.places(f)
	if err != nil {
		return nil, fmt.Errorf("data set %s: %w", root, err)
	}
	for _, p := range at {
		c, err := l.findCase(f, p, opt)
		if err != nil {
			return nil, err
		}
		if len(c.Times) > 0 {
			s.Cases = append(s.Cases, c)
		}
	}
	if len(s.Cases) == 0 {
		return s, nil
	}
	cases := map[string]bool{}
	for _, c := range s.Cases {
		cases[c.ID] = true
		f.use(c)
	}
	s.Unused = f.unused(func(rel string) (string, bool) { return l.whyUnused(rel, cases, opt.Truth) })
	return s, nil
}

// place is where a case is: its folder, and its name where a folder has several.
type place struct{ dir, visit string }

// id is the name of the case there.
func (p place) id() string {
	if p.visit != "" {
		return p.visit
	}
	return strings.ReplaceAll(p.dir, "/", "_")
}

// file is where a case's file of that name is, relative to the set's folder.
func (p place) file(name string) string {
	return path.Join(p.dir, strings.ReplaceAll(name, "*", p.visit))
}

// places lists where cases may be.
func (l *layout) places(f *folder) ([]place, error) {
	dirs, err := f.match(l.dirs)
	if err != nil {
		return nil, err
	}
	var out []place
	for _, d := range dirs {
		if !l.visits {
			out = append(out, place{dir: d})
			continue
		}
		sub, name := path.Split(l.time[0])
		before, after, _ := strings.Cut(name, "*")
		for image := range f.list(path.Join(d, sub)).images {
			visit, ok := strings.CutSuffix(strings.TrimPrefix(image, before), norm.NFC.String(after))
			if ok && visit != "" {
				out = append(out, place{d, visit})
			}
		}
	}
	return out, nil
}

// findCase looks for the files of a case; it has no Times where none of the layout's
// images is there. A case that lacks one of several is reported, not passed over.
func (l *layout) findCase(f *folder, at place, opt Options) (Case, error) {
	c := Case{ID: at.id(), Patient: at.id()}
	if l.visits {
		c.Patient = at.dir
	}
	var first error
	image := func(name string) string {
		if name == "" {
			return ""
		}
		p, err := f.image(at.file(name))
		if first == nil {
			first = err
		}
		return p
	}
	for _, t := range l.time {
		if p := image(t); p != "" {
			c.Times = append(c.Times, p)
		} else {
			c.Missing = append(c.Missing, filepath.FromSlash(at.file(t))+".nii.gz")
		}
	}
	if len(c.Times) == 0 {
		return c, first
	}
	var where []string
	consensus, raters := image(l.truth), map[int]string{}
	if l.truth != "" {
		where = append(where, filepath.FromSlash(at.file(l.truth))+".nii.gz")
	}
	for n := 1; n <= l.raters; n++ {
		if p := image(fmt.Sprintf(l.rater, n)); p != "" {
			raters[n] = p
		}
	}
	if l.raters > 0 {
		name := at.file(l.rater)
		if len(where) > 0 {
			name = l.rater
		}
		where = append(where, strings.Replace(name, "%d", fmt.Sprintf("{1..%d}", l.raters), 1)+".nii.gz")
	}
	chooseTruth(&c, opt.Truth, consensus, raters, strings.Join(where, " or "))
	c.Brain, c.WhiteMatter = image(l.brain), image(l.whiteMatter)
	return c, first
}

// whyUnused is why none of the cases is made of a file. It is lost where it may be an
// image or a mask of a case that is not there.
func (l *layout) whyUnused(rel string, cases map[string]bool, truth string) (reason string, lost bool) {
	if reason := noImage(rel); reason != "" {
		return reason, reason != noImageAtAll
	}
	depth := strings.Count(l.dirs, "/") + 1
	parts := strings.Split(rel, "/")
	dir := path.Join(parts[:min(depth, len(parts)-1)]...)
	if ok, _ := path.Match(l.dirs, dir); !ok || len(parts) <= depth {
		return fmt.Sprintf("not in the folder of a case (%s)", l.lookedFor()), true
	}
	name := norm.NFC.String(stem(rel))
	if l.visits {
		before, _, _ := strings.Cut(path.Base(l.rater), "%d")
		_, after, _ := strings.Cut(before, "*")
		visit, is := strings.CutSuffix(strings.TrimRight(name, "0123456789"), after)
		switch {
		case is && !cases[visit]:
			return "a mask without its image", true
		case is:
			return "another choice of the truth", false
		}
		return "no file of layout " + l.name, false
	}
	if !cases[place{dir: dir}.id()] {
		return fmt.Sprintf("its folder has no %s.nii.gz", strings.Join(l.time, ".nii.gz or ")), true
	}
	if before, _, _ := strings.Cut(path.Base(l.rater), "%d"); l.rater != "" && strings.HasPrefix(name, before) || name == path.Base(l.truth) {
		return fmt.Sprintf("another choice of the truth than %q", cmp.Or(truth, "auto")), false
	}
	for _, k := range slices.Concat(l.time, []string{l.truth, l.brain, l.whiteMatter}) {
		if k != "" && strings.EqualFold(name, path.Base(k)) {
			return fmt.Sprintf("layout %s has it as %s.nii.gz", l.name, k), true
		}
	}
	return "no file of layout " + l.name, false
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
