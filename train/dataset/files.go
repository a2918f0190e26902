package dataset

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"voxgrad/volume"
)

// Unused is a file in a data set's folder that no case is made of.
type Unused struct {
	Path   string `json:"path"` // relative to the data set's folder
	Reason string `json:"reason"`

	// Lost is set where the file may well be one of a case that its name keeps out of
	// the data set.
	Lost bool `json:"lost"`
}

// Limits of the look at a data set's folder.
const (
	maxFiles = 200_000 // all together
	maxDepth = 6       // of folders in each other
)

// folder is a folder of a data set, its subfolders listed as they are looked into.
// Names are compared in Unicode's composed form (NFC): a Mac writes the accents of a
// name as characters of their own, a table made elsewhere does not. Images are found
// by their name without its ending.
type folder struct {
	root  string
	known map[string]*entries
	used  map[string]bool // files, by their path relative to root
}

type entries struct {
	files, folders []string            // as they are called on disk, sorted
	images         map[string][]string // composed name without ending → files
	err            error
}

func newFolder(root string) *folder {
	return &folder{root: root, known: map[string]*entries{}, used: map[string]bool{}}
}

// list returns what is in a folder, "" for the root; hidden files are left out.
func (f *folder) list(rel string) *entries {
	if e := f.known[rel]; e != nil {
		return e
	}
	e := &entries{images: map[string][]string{}}
	f.known[rel] = e
	var all []fs.DirEntry
	if all, e.err = os.ReadDir(filepath.Join(f.root, rel)); e.err != nil {
		return e
	}
	for _, d := range all {
		name := d.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		isDir := d.IsDir()
		if d.Type()&fs.ModeSymlink != 0 {
			info, err := os.Stat(filepath.Join(f.root, rel, name))
			isDir = err == nil && info.IsDir()
		}
		if isDir {
			e.folders = append(e.folders, name)
			continue
		}
		e.files = append(e.files, name)
		if base, _, ok := volume.CutEnding(name); ok {
			key := norm.NFC.String(base)
			e.images[key] = append(e.images[key], name)
		}
	}
	return e
}

// image returns the path of an image, given relative to the root and without its
// ending; "" where there is none. Two, with different endings, are an error.
func (f *folder) image(rel string) (string, error) {
	dir, base := path.Split(rel)
	dir, ok := f.resolve(path.Clean(dir))
	if !ok {
		return "", nil
	}
	names := f.list(dir).images[norm.NFC.String(base)]
	switch len(names) {
	case 0:
		return "", nil
	case 1:
		return filepath.Join(f.root, dir, names[0]), nil
	}
	return "", sameName(filepath.Join(f.root, dir, names[0]), filepath.Join(f.root, dir, names[1]))
}

// resolve returns a folder as it is called on disk.
func (f *folder) resolve(rel string) (string, bool) {
	if rel == "." || rel == "" {
		return "", true
	}
	at := ""
	for part := range strings.SplitSeq(rel, "/") {
		n := slices.IndexFunc(f.list(at).folders, func(name string) bool { return norm.NFC.String(name) == norm.NFC.String(part) })
		if n < 0 {
			return "", false
		}
		at = path.Join(at, f.list(at).folders[n])
	}
	return at, true
}

// use notes the files of a case as used.
func (f *folder) use(c Case) {
	for _, p := range slices.Concat(c.Times, c.Masks, []string{c.Brain, c.WhiteMatter}) {
		if rel, err := filepath.Rel(f.root, p); p != "" && err == nil {
			f.used[filepath.ToSlash(rel)] = true
		}
	}
}

// match lists the folders whose relative path matches a pattern of path.Match, part
// by part.
func (f *folder) match(pattern string) ([]string, error) {
	at := []string{""}
	for part := range strings.SplitSeq(pattern, "/") {
		var next []string
		for _, dir := range at {
			e := f.list(dir)
			if e.err != nil {
				return nil, e.err
			}
			for _, name := range e.folders {
				if ok, _ := path.Match(part, name); ok {
					next = append(next, path.Join(dir, name))
				}
			}
		}
		at = next
	}
	return at, nil
}

// unused lists the files that were not used, each with the reason that why returns.
func (f *folder) unused(why func(rel string) (reason string, lost bool)) (out []Unused) {
	files := 0
	var walk func(rel string, depth int)
	walk = func(rel string, depth int) {
		e := f.list(rel)
		if e.err != nil {
			out = append(out, Unused{Path: rel, Reason: fmt.Sprintf("cannot be read: %v", e.err), Lost: true})
			return
		}
		for _, name := range e.files {
			if files++; files > maxFiles {
				return
			}
			p := path.Join(rel, name)
			if !f.used[p] {
				reason, lost := why(p)
				out = append(out, Unused{Path: p, Reason: reason, Lost: lost})
			}
		}
		for _, name := range e.folders {
			if files > maxFiles {
				return
			}
			if depth == maxDepth {
				out = append(out, Unused{Path: path.Join(rel, name), Reason: "folders in each other are looked into down to here"})
				continue
			}
			walk(path.Join(rel, name), depth+1)
		}
	}
	walk("", 0)
	if files > maxFiles {
		out = append(out, Unused{Path: ".", Reason: fmt.Sprintf("more than %d files: the others were not looked at", maxFiles), Lost: true})
	}
	return out
}

// noImage is why a file is no image that can be used; "" if its name is one of an
// image.
func noImage(name string) string {
	if volume.IsImageName(name) {
		return ""
	}
	lower := strings.ToLower(name)
	for ending, what := range foreign {
		if strings.HasSuffix(lower, ending) {
			return what + ": only NIfTI (.nii, .nii.gz) is read"
		}
	}
	return noImageAtAll
}

const noImageAtAll = "no image"

// foreign are the endings of images of other formats.
var foreign = map[string]string{
	".hdr": "Analyze or two-file NIfTI", ".img": "Analyze or two-file NIfTI", ".img.gz": "Analyze or two-file NIfTI",
	".mha": "MetaImage", ".mhd": "MetaImage", ".nrrd": "NRRD", ".nhdr": "NRRD", ".mgz": "FreeSurfer's format", ".mgh": "FreeSurfer's format",
	".dcm": "DICOM", ".dicom": "DICOM", ".mnc": "MINC", ".mif": "MRtrix's format", ".mif.gz": "MRtrix's format",
}

// stem is the name of an image's file without folder and ending; of another file,
// its name.
func stem(p string) string {
	base, _, _ := volume.CutEnding(filepath.Base(p))
	return base
}

func sameName(a, b string) error {
	return fmt.Errorf("%s and %s have the same name: keep one of them", a, b)
}

// onDisk returns a path as it is called on disk, which may write accents in the other
// one of Unicode's forms.
func onDisk(p string) (string, bool) {
	if _, err := os.Stat(p); err == nil {
		return p, true
	}
	parent, base := filepath.Dir(p), filepath.Base(p)
	if parent == p || norm.NFD.String(p) == norm.NFC.String(p) { // no accents in it
		return p, false
	}
	dir, ok := onDisk(parent)
	if !ok {
		return p, false
	}
	all, err := os.ReadDir(dir)
	if err != nil {
		return p, false
	}
	for _, d := range all {
		if norm.NFC.String(d.Name()) == norm.NFC.String(base) {
			return filepath.Join(dir, d.Name()), true
		}
	}
	return p, false
}

// list joins names, the first ten of them.
func list(names []string) string {
	if len(names) <= 10 {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:10], ", ") + fmt.Sprintf(" and %d more", len(names)-10)
}
