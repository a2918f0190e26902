// Package scoring holds what evaluate and compare share: which files belong together, the
// measures' flags, the table of all measures.
package scoring

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files are the images of a case; on the command line, folders of them.
type Files struct {
	Name               string
	Truth, Prediction  string
	Flair1, Flair2     string
	Brain, Probability string
	Members            []string
}

// role is one kind of image: where it is given and which file it is in a case's
// own folder.
type role struct {
	what   string
	path   string   // file or folder; "" where not given
	files  []string // names in DIR/CASE/, without ending, the first that is there
	strict bool     // one without a partner is an error, not left out
	set    func(f *Files, path string)
}

func (f *Files) roles() []role {
	roles := []role{
		{"truth", f.Truth, []string{"ground_truth", "new_lesions", "lesions"}, true, func(f *Files, p string) { f.Truth = p }},
		{"prediction", f.Prediction, nil, true, func(f *Files, p string) { f.Prediction = p }},
		{"first scan", f.Flair1, []string{"flair_time01_on_middle_space", "flair_time01"}, false, func(f *Files, p string) { f.Flair1 = p }},
		{"second scan", f.Flair2, []string{"flair_time02_on_middle_space", "flair_time02", "flair"}, false, func(f *Files, p string) { f.Flair2 = p }},
		{"brain mask", f.Brain, []string{"brain_mask", "brainmask"}, false, func(f *Files, p string) { f.Brain = p }},
		{"probability map", f.Probability, nil, false, func(f *Files, p string) { f.Probability = p }},
	}
	for n, m := range f.Members {
		roles = append(roles, role{fmt.Sprintf("image of member %d", n+1), m, nil, false,
			func(f *Files, p string) { f.Members = append(f.Members, p) }})
	}
	return slices.DeleteFunc(roles, func(r role) bool { return r.path == "" })
}

// List is the case named, or those in the folders, by name. Everything must be a
// file, or everything a folder.
func (f *Files) List() (cases []Files, single bool, err error) {
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
		f.Name = CaseName(f.Prediction)
		return []Files{*f}, true, nil
	case len(files) > 0:
		return nil, false, fmt.Errorf("%s is a file and %s a folder: name files only, or folders only", files[0], folders[0])
	}
	cases, err = matchFolders(roles)
	return cases, false, err
}

// matchFolders puts together what has the same name, sorted by it. All that
// lacks a partner is one error.
func matchFolders(roles []role) ([]Files, error) {
	found := make([]map[string]string, len(roles))
	names := map[string]bool{}
	for n, r := range roles {
		var err error
		if found[n], err = ImagesIn(r.path, r.files); err != nil {
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
	var cases []Files
	missing := make([][]string, len(roles))
	for _, name := range order {
		c := Files{Name: name}
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
			lines = append(lines, fmt.Sprintf("no %s in %s for %s", r.what, r.path, SomeOf(missing[n])))
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

// SomeOf lists names, the first ten of them.
func SomeOf(names []string) string {
	if len(names) <= 10 {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:10], ", ") + fmt.Sprintf(" and %d more", len(names)-10)
}

// ImagesIn lists DIR/NAME.nii[.gz], and DIR/CASE/FILE.nii[.gz] for the first of
// files that is there, by NAME or CASE.
func ImagesIn(dir string, files []string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if info, err := os.Stat(path); err == nil && info.IsDir() { // follows links
			if image := FirstImage(path, files); image != "" {
				if other := found[e.Name()]; other != "" {
					return nil, sameName(other, image)
				}
				found[e.Name()] = image
			}
			continue
		}
		name := CaseName(path)
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

// FirstImage is the first of files that is in dir, or "".
func FirstImage(dir string, files []string) string {
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

// CaseName is the file's name without folder and .nii or .nii.gz.
func CaseName(path string) string {
	base := filepath.Base(path)
	for _, ending := range []string{".nii.gz", ".nii"} {
		if name, ok := strings.CutSuffix(base, ending); ok {
			return name
		}
	}
	return base
}

// absent lists the files of cases that do not exist, as one error.
func absent(cases []Files) error {
	var missing []string
	for _, c := range cases {
		for _, path := range append([]string{c.Truth, c.Prediction, c.Flair1, c.Flair2, c.Brain, c.Probability}, c.Members...) {
			if path == "" {
				continue
			}
			if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
				missing = append(missing, path)
			}
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("files that do not exist: %s", SomeOf(missing))
	}
	return nil
}
