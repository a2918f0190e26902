package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// evaluateFiles are the images of a case; on the command line, folders of them.
type evaluateFiles struct {
	name           string
	truth, pred    string
	flair1, flair2 string
	brain, prob    string
	members        []string
}

// role is one kind of image: where it is given and which file it is in a case's
// own folder.
type role struct {
	what   string
	path   string   // file or folder; "" where not given
	files  []string // names in DIR/CASE/, without ending, the first that is there
	strict bool     // one without a partner is an error, not left out
	set    func(f *evaluateFiles, path string)
}

func (f *evaluateFiles) roles() []role {
	roles := []role{
		{"truth", f.truth, []string{"ground_truth", "new_lesions", "lesions"}, true, func(f *evaluateFiles, p string) { f.truth = p }},
		{"prediction", f.pred, nil, true, func(f *evaluateFiles, p string) { f.pred = p }},
		{"first scan", f.flair1, []string{"flair_time01_on_middle_space", "flair_time01"}, false, func(f *evaluateFiles, p string) { f.flair1 = p }},
		{"second scan", f.flair2, []string{"flair_time02_on_middle_space", "flair_time02", "flair"}, false, func(f *evaluateFiles, p string) { f.flair2 = p }},
		{"brain mask", f.brain, []string{"brain_mask", "brainmask"}, false, func(f *evaluateFiles, p string) { f.brain = p }},
		{"probability map", f.prob, nil, false, func(f *evaluateFiles, p string) { f.prob = p }},
	}
	for n, m := range f.members {
		roles = append(roles, role{fmt.Sprintf("image of member %d", n+1), m, nil, false,
			func(f *evaluateFiles, p string) { f.members = append(f.members, p) }})
	}
	return slices.DeleteFunc(roles, func(r role) bool { return r.path == "" })
}

// list is the case named, or those in the folders, by name. Everything must be a
// file, or everything a folder.
func (f *evaluateFiles) list() (cases []evaluateFiles, single bool, err error) {
	roles := f.roles()
	var folders, files []string
	for _, r := range roles {
		info, err := os.Stat(r.path)
		if err != nil {
			return nil, false, err
		}
		if info.IsDir() {
			folders = append(folders, r.path)
		} else {
			files = append(files, r.path)
		}
	}
	switch {
	case len(folders) == 0:
		f.name = caseName(f.pred)
		return []evaluateFiles{*f}, true, nil
	case len(files) > 0:
		return nil, false, fmt.Errorf("%s is a file and %s a folder: name files only, or folders only", files[0], folders[0])
	}
	cases, err = matchFolders(roles)
	return cases, false, err
}

// matchFolders puts together what has the same name, sorted by it. All that
// lacks a partner is one error.
func matchFolders(roles []role) ([]evaluateFiles, error) {
	found := make([]map[string]string, len(roles))
	names := map[string]bool{}
	for n, r := range roles {
		var err error
		if found[n], err = imagesIn(r.path, r.files); err != nil {
			return nil, err
		}
		if r.strict {
			if len(found[n]) == 0 {
				return nil, fmt.Errorf("%s: no %s in it (looked for %s)", r.path, r.what, lookedFor(r.files))
			}
			for name := range found[n] {
				names[name] = true
			}
		}
	}
	var order []string
	for name := range names {
		order = append(order, name)
	}
	slices.Sort(order)
	var cases []evaluateFiles
	missing := make([][]string, len(roles))
	for _, name := range order {
		c := evaluateFiles{name: name}
		for n, r := range roles {
			if path := found[n][name]; path != "" {
				r.set(&c, path)
			} else {
				missing[n] = append(missing[n], name)
			}
		}
		cases = append(cases, c)
	}
	var lines []string
	for n, r := range roles {
		if len(missing[n]) > 0 {
			lines = append(lines, fmt.Sprintf("no %s in %s for %s", r.what, r.path, someOf(missing[n])))
		}
	}
	if len(lines) > 0 {
		return nil, fmt.Errorf("files without a partner: %s; names must agree up to .nii or .nii.gz, or a table (--pairs) say what belongs together",
			strings.Join(lines, "; "))
	}
	return cases, nil
}

func lookedFor(files []string) string {
	out := "NAME.nii.gz, NAME.nii"
	for _, f := range files {
		out += ", CASE/" + f + ".nii.gz"
	}
	return out
}

// someOf lists names, the first ten of them.
func someOf(names []string) string {
	if len(names) <= 10 {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:10], ", ") + fmt.Sprintf(" and %d more", len(names)-10)
}

// imagesIn lists DIR/NAME.nii[.gz], and DIR/CASE/FILE.nii[.gz] for the first of
// files that is there, by NAME or CASE.
func imagesIn(dir string, files []string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err == nil && info.IsDir() { // follows links
			if image := firstImage(path, files); image != "" {
				if other := found[e.Name()]; other != "" {
					return nil, sameName(other, image)
				}
				found[e.Name()] = image
			}
			continue
		}
		name := caseName(path)
		if name == e.Name() || name == "" || strings.HasPrefix(name, ".") {
			continue
		}
		if other := found[name]; other != "" {
			return nil, sameName(other, path)
		}
		found[name] = path
	}
	return found, nil
}

func sameName(a, b string) error {
	return fmt.Errorf("%s and %s have the same name: keep one of them", a, b)
}

// firstImage is the first of files that is in dir, or "".
func firstImage(dir string, files []string) string {
	for _, f := range files {
		for _, ending := range []string{".nii.gz", ".nii"} {
			path := filepath.Join(dir, f+ending)
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
	}
	return ""
}

// caseName is the file's name without folder and .nii or .nii.gz.
func caseName(path string) string {
	base := filepath.Base(path)
	for _, ending := range []string{".nii.gz", ".nii"} {
		if name, ok := strings.CutSuffix(base, ending); ok {
			return name
		}
	}
	return base
}

// absent lists the files of cases that do not exist, as one error.
func absent(cases []evaluateFiles) error {
	var missing []string
	for _, c := range cases {
		for _, path := range append([]string{c.truth, c.pred, c.flair1, c.flair2, c.brain, c.prob}, c.members...) {
			if path == "" {
				continue
			}
			if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
				missing = append(missing, path)
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("files that do not exist: %s", someOf(missing))
	}
	return nil
}
