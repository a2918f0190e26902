package dataset

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"voxgrad/internal/table"
	"voxgrad/internal/text"
	"voxgrad/volume"
)

// Pair is the images of a case to score: a prediction, its truth, and what pictures
// are made of. As what is given on a command line each is a file, or each a folder.
type Pair struct {
	Name               string
	Truth, Prediction  string
	Flair1, Flair2     string // Flair2 is the only one of a single scan
	Brain, Probability string
	Members            []string // of an ensemble: masks or maps of probabilities
}

// role is one kind of image: where it is given and which file it is.
type role struct {
	what    string
	path    string                 // file or folder; "" where not given
	of      func(l *layout) string // its name in a layout's folder of a case
	nnunet  string                 // the folder it is in where a data set of nnU-Net is given
	endings []string               // what a file's name may have behind the case's, best first
	not     map[string]string      // endings of what lies beside such files, and what that is
	strict  bool                   // one without a partner is an error on its own
	set     func(p *Pair, path string)
}

// Endings of the names of what is predicted, and of nnU-Net's scans.
const (
	NewEnding         = "_new"
	ProbabilityEnding = "_probability"
)

func (p *Pair) roles() []role {
	beforeLast := func(l *layout) string {
		if len(l.time) < 2 {
			return ""
		}
		return l.time[0]
	}
	last := func(l *layout) string { return l.time[len(l.time)-1] }
	channel := []string{"_0000"}
	if p.Flair1 != "" {
		channel = []string{"_0001"}
	}
	const probabilities, predicted = "a map of probabilities", "a mask"
	roles := []role{
		{what: "truth", path: p.Truth, of: func(l *layout) string { return l.truth }, nnunet: "labelsTr", strict: true, set: func(p *Pair, f string) { p.Truth = f }},
		{what: "prediction", path: p.Prediction, endings: []string{NewEnding}, not: map[string]string{ProbabilityEnding: probabilities}, strict: true,
			set: func(p *Pair, f string) { p.Prediction = f }},
		{what: "first scan", path: p.Flair1, of: beforeLast, nnunet: "imagesTr", endings: []string{"_0000"}, set: func(p *Pair, f string) { p.Flair1 = f }},
		{what: "second scan", path: p.Flair2, of: last, nnunet: "imagesTr", endings: channel, set: func(p *Pair, f string) { p.Flair2 = f }},
		{what: "brain mask", path: p.Brain, of: func(l *layout) string { return l.brain }, set: func(p *Pair, f string) { p.Brain = f }},
		{what: "probability map", path: p.Probability, endings: []string{ProbabilityEnding}, not: map[string]string{NewEnding: predicted}, set: func(p *Pair, f string) { p.Probability = f }},
	}
	for n, m := range p.Members {
		roles = append(roles, role{what: fmt.Sprintf("image of member %d", n+1), path: m, endings: []string{NewEnding, ProbabilityEnding},
			set: func(p *Pair, f string) { p.Members = append(p.Members, f) }})
	}
	return slices.DeleteFunc(roles, func(r role) bool { return r.path == "" })
}

// Match is the case named, or those in the folders, by name and sorted by it. Everything
// must be a file (single is true), or everything a folder: of images that are called
// as the case (up to the ending, in either of Unicode's forms; a prediction may have
// _new behind it, a map _probability, a scan nnU-Net's _0000), or of a data set.
// Everything that lacks a partner is one error. What is beside the predictions is
// in unused.
func (p Pair) Match() (pairs []Pair, single bool, unused []Unused, err error) {
	roles := p.roles()
	var folders, files []string
	for _, r := range roles {
		info, err := os.Stat(r.path)
		if err != nil {
			return nil, false, nil, err
		}
		if info.IsDir() {
			folders = append(folders, r.path)
		} else {
			files = append(files, r.path)
		}
	}
	switch {
	case len(folders) == 0:
		p.Name = stem(p.Prediction)
		return []Pair{p}, true, nil, nil
	case len(files) > 0:
		return nil, false, nil, fmt.Errorf("%s is a file and %s a folder: name files only, or folders only", files[0], folders[0])
	}
	pairs, unused, err = matchFolders(roles)
	return pairs, false, unused, err
}

func matchFolders(roles []role) (pairs []Pair, unused []Unused, err error) {
	found := make([]map[string]string, len(roles))
	names := map[string]bool{}
	var truths map[string]string // the first role's
	for n, r := range roles {
		var left []Unused
		if found[n], left, err = r.find(truths); err != nil {
			return nil, nil, err
		}
		if n == 0 {
			truths = found[0]
		}
		if r.of == nil {
			unused = append(unused, left...)
		}
		if r.strict {
			if len(found[n]) == 0 {
				return nil, nil, fmt.Errorf("%s: no %s in it (looked for %s)%s", r.path, r.what, r.lookedFor(), r.below())
			}
			for name := range found[n] {
				names[name] = true
			}
		}
	}
	for n, r := range roles {
		for _, name := range slices.Sorted(maps.Keys(found[n])) {
			if !names[name] && r.of == nil {
				unused = append(unused, Unused{Path: found[n][name], Reason: "no case of that name"})
			}
		}
	}
	missing := make([][]string, len(roles))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		c := Pair{Name: name}
		for n, r := range roles {
			if path := found[n][name]; path != "" {
				r.set(&c, path)
			} else {
				missing[n] = append(missing[n], text.Clean(name))
			}
		}
		pairs = append(pairs, c)
	}
	var lines []string
	for n, r := range roles {
		if len(missing[n]) > 0 {
			lines = append(lines, fmt.Sprintf("no %s in %s for %s", r.what, r.path, list(missing[n])))
		}
	}
	if len(lines) > 0 {
		return nil, nil, fmt.Errorf("files without a partner: %s; names must agree up to .nii or .nii.gz (and _new, _probability or _0000), or a table (--pairs) say what belongs together",
			strings.Join(lines, "; "))
	}
	return pairs, unused, nil
}

// below is a hint at a folder in the role's that has images, or nothing.
func (r role) below() string {
	f := newFolder(r.path)
	for _, dir := range f.list("").folders {
		if len(f.list(dir).images) > 0 {
			return "; there are images in its folder " + text.Clean(filepath.Join(r.path, dir))
		}
	}
	return ""
}

func (r role) lookedFor() string {
	out := "NAME.nii.gz, NAME.nii"
	if r.of == nil {
		return out
	}
	for n := range layouts {
		if l := &layouts[n]; l.find == nil && r.of(l) != "" {
			out += ", " + path.Join(strings.ReplaceAll(l.dirs, "*", "CASE"), r.of(l)) + ".nii.gz"
		}
	}
	return out
}

// find lists the role's images by the name of their case. Where the cases are known,
// their names decide what of a file's name is the case's.
func (r role) find(cases map[string]string) (found map[string]string, unused []Unused, err error) {
	f := newFolder(r.path)
	e := f.list("")
	if e.err != nil {
		return nil, nil, e.err
	}
	dir := ""
	if r.nnunet != "" && slices.Contains(e.folders, r.nnunet) {
		dir = r.nnunet
		e = f.list(dir)
	}
	found = map[string]string{}
	rank := map[string]int{}
	for _, base := range slices.Sorted(maps.Keys(e.images)) {
		image, err := f.image(path.Join(dir, base))
		if err != nil {
			return nil, nil, err
		}
		name, at, not := r.caseOf(base, cases)
		if not != "" {
			unused = append(unused, Unused{Path: image, Reason: not})
			continue
		}
		if other := found[name]; other != "" {
			if at == rank[name] || !slices.Contains(r.endings, ProbabilityEnding) || len(r.endings) < 2 {
				return nil, nil, fmt.Errorf("%s and %s are both the %s of %s: keep one of them", other, image, r.what, text.Clean(name))
			}
			if at > rank[name] {
				continue
			}
		}
		found[name], rank[name] = image, at
	}
	for _, name := range e.files {
		if !volume.IsImageName(name) {
			unused = append(unused, Unused{Path: filepath.Join(r.path, dir, name), Reason: noImage(name)})
		}
	}
	if r.of == nil {
		return found, unused, nil
	}
	inFolder := map[string]string{} // case → layout it was found in
	for n := range layouts {
		l := &layouts[n]
		if l.find != nil || r.of(l) == "" {
			continue
		}
		at, err := l.places(f)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range at {
			image, err := f.image(p.file(r.of(l)))
			if err != nil {
				return nil, nil, err
			}
			if image == "" || inFolder[p.id()] != "" {
				continue
			}
			if other := found[p.id()]; other != "" {
				return nil, nil, sameName(other, image)
			}
			found[p.id()], inFolder[p.id()] = image, l.name
		}
	}
	return found, unused, nil
}

// caseOf is the name of the case that an image's name without its ending belongs to, and
// how well it fits: 0 for the name itself. not says what the image is if it is
// something else of a known case.
func (r role) caseOf(base string, cases map[string]string) (name string, rank int, not string) {
	if cases[base] != "" {
		return base, 0, ""
	}
	for n, e := range r.endings {
		if name, ok := strings.CutSuffix(base, e); ok && cases[name] != "" {
			return name, n + 1, ""
		}
	}
	for e, what := range r.not {
		if name, ok := strings.CutSuffix(base, e); ok && cases[name] != "" {
			return "", 0, what
		}
	}
	if name, digits, ok := cutChannel(base); ok && r.nnunet == "imagesTr" && cases[name] != "" {
		return "", 0, "channel " + digits
	}
	return base, 0, ""
}

// cutChannel splits nnU-Net's name of an image.
func cutChannel(base string) (name, digits string, ok bool) {
	m := nnunetImage.FindStringSubmatch(base)
	if m == nil {
		return base, "", false
	}
	return m[1], m[2], true
}

var pairColumns = []table.Column{
	{Name: "prediction", Needed: true}, {Name: "truth", Needed: true}, {Name: "case"}, {Name: "flair1"}, {Name: "flair2"},
	{Name: "brainmask"}, {Name: "probability"}, {Name: "members"},
}

// ReadPairs reads a table of pairs and checks that its files exist. Relative paths
// are taken from the table's folder. A case without a name has that of its
// prediction's file. Errors name line and column.
func ReadPairs(file string) ([]Pair, error) {
	rows, err := table.Read(file, pairColumns)
	if err != nil {
		return nil, err
	}
	pairs, err := pairsOf(rows, filepath.Dir(file))
	if err == nil {
		err = absent(pairs)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return pairs, nil
}

func pairsOf(rows []table.Row, dir string) (pairs []Pair, err error) {
	lines := map[string]int{}
	for _, r := range rows {
		p, err := rowPair(r, dir)
		if err == nil && len(p.Name) > maxName {
			err = fmt.Errorf("the name of case \"%s\" has %d bytes; at most %d are possible", text.CleanTo(p.Name, 60), len(p.Name), maxName)
		}
		if first := lines[p.Name]; err == nil && first != 0 {
			err = fmt.Errorf("case \"%s\" was on line %d already: give the cases names of their own in a column \"case\"", text.Clean(p.Name), first)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", r.Line, err)
		}
		lines[p.Name] = r.Line
		pairs = append(pairs, p)
	}
	return pairs, nil
}

func rowPair(r table.Row, dir string) (Pair, error) {
	file := func(s string) string {
		if s != "" && !filepath.IsAbs(s) {
			s = filepath.Join(dir, s)
		}
		if s != "" {
			s, _ = onDisk(s)
		}
		return s
	}
	p := Pair{
		Name: r.Get("case"), Truth: file(r.Get("truth")), Prediction: file(r.Get("prediction")), Flair1: file(r.Get("flair1")), Flair2: file(r.Get("flair2")),
		Brain: file(r.Get("brainmask")), Probability: file(r.Get("probability")),
	}
	for m := range strings.SplitSeq(r.Get("members"), ";") {
		if m = strings.TrimSpace(m); m != "" {
			p.Members = append(p.Members, file(m))
		}
	}
	switch {
	case p.Prediction == "":
		return p, errors.New("no prediction")
	case p.Truth == "":
		return p, errors.New("no truth")
	case p.Flair1 != "" && p.Flair2 == "":
		return p, errors.New("flair1 without flair2; a single scan is flair2")
	}
	if p.Name == "" {
		p.Name = stem(p.Prediction)
	}
	return p, nil
}

// absent lists the files of pairs that do not exist, as one error.
func absent(pairs []Pair) error {
	var missing []string
	for _, p := range pairs {
		for _, f := range append([]string{p.Truth, p.Prediction, p.Flair1, p.Flair2, p.Brain, p.Probability}, p.Members...) {
			if f == "" {
				continue
			}
			if _, err := os.Stat(f); errors.Is(err, os.ErrNotExist) {
				missing = append(missing, text.Clean(f))
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("files that do not exist: %s", list(missing))
	}
	return nil
}

// Raters are the masks of several experts.
type Raters struct {
	Names, Cases []string // sorted
	path         map[[2]string]string
}

// Path is the file of a rater's mask of a case.
func (r *Raters) Path(rater, name string) string { return r.path[[2]string{rater, name}] }

// FindRaters looks for the experts' masks of a data set, CASE/ground_truth_expertN.nii.gz
// and the like, and, if there are none, for EXPERT/CASE.nii.gz. A mask that is
// missing is an error.
func FindRaters(dir string) (*Raters, error) {
	f := newFolder(dir)
	top := f.list("")
	if top.err != nil {
		return nil, top.err
	}
	r := &Raters{path: map[[2]string]string{}}
	add := func(rater, name, path string) {
		if !slices.Contains(r.Names, rater) {
			r.Names = append(r.Names, rater)
		}
		if !slices.Contains(r.Cases, name) {
			r.Cases = append(r.Cases, name)
		}
		r.path[[2]string{rater, name}] = path
	}
	for n := range layouts {
		l := &layouts[n]
		if l.rater == "" || len(r.Names) > 0 {
			continue
		}
		at, err := l.places(f)
		if err != nil {
			return nil, err
		}
		for _, p := range at {
			for n := 1; n <= 9; n++ {
				image, err := f.image(p.file(fmt.Sprintf(l.rater, n)))
				if err != nil {
					return nil, err
				}
				if image != "" {
					add(fmt.Sprintf("expert %d", n), p.id(), image)
				}
			}
		}
	}
	if len(r.Names) == 0 {
		for _, rater := range top.folders {
			for name := range f.list(rater).images {
				image, err := f.image(path.Join(rater, name))
				if err != nil {
					return nil, err
				}
				add(rater, name, image)
			}
		}
	}
	slices.Sort(r.Names)
	slices.Sort(r.Cases)
	if len(r.Names) < 2 {
		return nil, fmt.Errorf("%s: masks of %s: looked for CASE/ground_truth_expertN.nii.gz and EXPERT/CASE.nii.gz", dir, text.Plural(len(r.Names), "rater"))
	}
	var missing []string
	for _, name := range r.Cases {
		for _, rater := range r.Names {
			if r.Path(rater, name) == "" {
				missing = append(missing, text.Clean(rater+" of "+name))
			}
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%s: masks without a partner: there is none by %s", dir, list(missing))
	}
	return r, nil
}
