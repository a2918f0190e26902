package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"voxgrad/internal/text"
)

// Plan is what a command will read and write. Check looks at all of it before the work.
// Each path comes with the words by which the user named it, for messages: --out, or FILE.
type Plan struct {
	reads  []place
	writes []place
	size   []size
}

// place is a path of a plan.
type place struct {
	what, path string
	endings    []string // of a file to write; none: any
	tree       bool     // with all that is in it, if it is a folder
	root       bool     // the folder of Fill, which is made if it is not there
	shell      bool     // only some places in it are written
}

// size is how many bytes a path will take, at least and at most.
type size struct {
	path        string
	least, most int64
}

// Mistake is an error of the command line: paths that cannot be meant together.
type Mistake struct{ text string }

func (m *Mistake) Error() string { return m.text }

func mistake(format string, a ...any) error { return &Mistake{fmt.Sprintf(format, a...)} }

// Read declares that files are read, or what is in folders. Empty paths are not given, and
// those that do not exist are found by who reads them.
func (p *Plan) Read(what string, paths ...string) {
	for _, path := range paths {
		if path != "" {
			p.reads = append(p.reads, place{what: what, path: path})
		}
	}
}

// Write declares that a file is written, whose name must end in one of endings (in any
// case), if there are any.
func (p *Plan) Write(what, path string, endings ...string) {
	if path != "" {
		p.writes = append(p.writes, place{what: what, path: path, endings: endings})
	}
}

// Fill declares that a folder is written to, which is made if it is not there: the places
// named, files or folders with all that is in them; "." is the whole folder.
func (p *Plan) Fill(what, folder string, places ...string) {
	if folder == "" {
		return
	}
	p.writes = append(p.writes, place{what: what, path: folder, tree: true, root: true, shell: !slices.Contains(places, ".")})
	for _, name := range places {
		p.writes = append(p.writes, place{what: what, path: filepath.Join(folder, name), tree: true})
	}
}

// Own takes a path back that is read: it is the command's own file, which it writes again
// as it is.
func (p *Plan) Own(path string) {
	p.reads = slices.DeleteFunc(p.reads, func(r place) bool { return same(r.path, path) })
}

// Size declares how many bytes the file or folder will take, at least and at most.
func (p *Plan) Size(path string, least, most int64) {
	p.size = append(p.size, size{path, least, most})
}

func (w place) String() string { return w.what + " " + text.Clean(w.path) }

// Check returns the first thing wrong with the plan: an output that is an input or another
// output, by the file's identity and not by its name (a *Mistake, as are names that say
// standard output or have another ending than the file's kind), a folder that is missing
// or cannot be written to, by trying, or too little space.
func (p *Plan) Check() error {
	for _, w := range p.writes {
		if err := w.name(); err != nil {
			return err
		}
	}
	for n, w := range p.writes {
		for _, r := range p.reads {
			if err := w.spares(r); err != nil {
				return err
			}
		}
		for _, other := range p.writes[:n] {
			if err := w.apart(other); err != nil {
				return err
			}
		}
	}
	tried := map[string]bool{}
	for _, w := range p.writes {
		if err := w.writable(tried); err != nil {
			return err
		}
	}
	return p.space()
}

// name looks at the path alone.
func (w place) name() error {
	if w.path == "-" && !w.tree {
		return mistake("%s -: files are not written to standard output, which is for what the command prints; name a file (./- if it is to be called so)", w.what)
	}
	if w.tree || len(w.endings) == 0 {
		return nil
	}
	return Ending(w.what, w.path, w.endings...)
}

// Ending returns a *Mistake if a name has none of the endings.
func Ending(what, path string, endings ...string) error {
	base := strings.ToLower(filepath.Base(path))
	for _, e := range endings {
		if strings.HasSuffix(base, e) && len(base) > len(e) {
			return nil
		}
	}
	return mistake("%s: the name must end in %s", place{what: what, path: path}, strings.Join(endings, " or "))
}

// spares makes sure that what is read stays.
func (w place) spares(r place) error {
	in, err := os.Stat(r.path)
	if err != nil {
		return nil
	}
	out, err := os.Stat(w.path)
	if err != nil {
		return nil // what is not there is nobody's input
	}
	same := os.SameFile(in, out)
	switch {
	case same && in.IsDir():
		return mistake("%s is the folder that %s reads: choose another one", w, r)
	case same:
		return mistake("%s would overwrite what %s reads: choose another name", w, r)
	case w.shell:
		return nil
	case w.tree && out.IsDir() && inside(r.path, out):
		return mistake("%s reads what is in %s, where %s writes: choose another folder for one of them", r, text.Clean(w.path), w.what)
	case !out.IsDir() && in.IsDir() && holds(r.path, out):
		return mistake("%s would overwrite a file of %s, which is read: choose another name", w, r)
	}
	return nil
}

// apart makes sure that two outputs are not the same.
func (w place) apart(other place) error {
	if w.shell || other.shell || w.tree && other.tree && w.what == other.what {
		return nil
	}
	if w.what == other.what { // names that the command made of one
		if w.path == other.path {
			return mistake("%s is to be written twice: choose another name", w)
		}
		return nil
	}
	if same(w.path, other.path) {
		return mistake("%s and %s are the same file: choose another name for one of them", other, w)
	}
	for _, pair := range [][2]place{{w, other}, {other, w}} {
		file, tree := pair[0], pair[1]
		if info, err := os.Stat(tree.path); tree.tree && err == nil && info.IsDir() && inside(file.path, info) {
			return mistake("%s is in the folder that %s fills: choose another place", file, tree)
		}
	}
	return nil
}

// inside reports whether path is in a folder or in one below it.
func inside(path string, folder os.FileInfo) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	for dir := filepath.Dir(abs); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && os.SameFile(info, folder) {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

// inputs are the endings of files that a command reads from a folder it is given. A table
// or a page may be written again beside them.
var inputs = []string{".nii", ".nii.gz", ".hdr", ".img", ".img.gz", ".json", ".safetensors", ".toml"}

// mostFiles bounds the search in a folder.
const mostFiles = 200_000

// holds reports whether a file is one that could be read from a folder, also by another name.
func holds(folder string, file os.FileInfo) (found bool) {
	seen := 0
	_ = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if seen++; seen > mostFiles {
			return filepath.SkipAll
		}
		if err != nil || e.IsDir() {
			return nil
		}
		lower := strings.ToLower(path)
		if !slices.ContainsFunc(inputs, func(end string) bool { return strings.HasSuffix(lower, end) }) {
			return nil
		}
		if info, err := os.Stat(path); err == nil && os.SameFile(info, file) {
			found = true
			return filepath.SkipAll
		}
		return nil
	})
	return found
}

// same reports whether two paths are one file, there or not.
func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	if err1 == nil && err2 == nil {
		return os.SameFile(x, y)
	}
	if err1 == nil || err2 == nil {
		return false
	}
	dirA, err1 := os.Stat(filepath.Dir(a))
	dirB, err2 := os.Stat(filepath.Dir(b))
	if err1 != nil || err2 != nil {
		absA, _ := filepath.Abs(a)
		absB, _ := filepath.Abs(b)
		return absA == absB
	}
	return os.SameFile(dirA, dirB) && sameName(filepath.Dir(a), filepath.Base(a), filepath.Base(b))
}

// sameName reports whether two names in a folder are the same file. A file system may not
// tell capitals from small letters, or two spellings of an accent; so it is asked.
var sameName = func(dir, a, b string) bool {
	if a == b {
		return true
	}
	if ascii(a) && ascii(b) && !strings.EqualFold(a, b) {
		return false // no file system takes these for one, and thousands of outputs are not worth asking
	}
	probe, err := os.MkdirTemp(dir, ".voxgrad-*.tmp")
	if err != nil {
		return false // writable tells why
	}
	defer os.RemoveAll(probe)
	f, err := os.OpenFile(filepath.Join(probe, a), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o666)
	if err != nil {
		return false
	}
	f.Close()
	_, err = os.Lstat(filepath.Join(probe, b))
	return err == nil
}

func ascii(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 }) }

// writable tries whether the place can be written. tried are folders in which it could.
func (w place) writable(tried map[string]bool) error {
	dir := filepath.Dir(w.path)
	switch {
	case w.tree && !w.root: // of a folder that was tried
		if info, err := os.Stat(w.path); err == nil && !info.IsDir() {
			return Check(w.path)
		}
		return nil
	case w.root:
		for dir = w.path; ; dir = filepath.Dir(dir) {
			info, err := os.Stat(dir)
			if err == nil && !info.IsDir() {
				return fmt.Errorf("cannot make the folder %s: %s is not a directory", text.Clean(w.path), text.Clean(dir))
			}
			if err == nil {
				break
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("cannot make the folder %s: %w", text.Clean(w.path), err)
			}
			if _, err := os.Lstat(dir); err == nil {
				return fmt.Errorf("cannot make the folder %s: %s is a link to what is not there", text.Clean(w.path), text.Clean(dir))
			}
		}
	default:
		if err := Check(w.path); err != nil {
			return err
		}
	}
	if tried[dir] {
		return nil
	}
	if err := try(dir); err != nil {
		return fmt.Errorf("%s: cannot write to the folder %s: %w", w.what, text.Clean(dir), err)
	}
	tried[dir] = true
	return nil
}

// try writes a block to a folder and removes it. The rights alone do not tell: a read-only
// file system, a quota, a full disk, root.
func try(dir string) error {
	f, err := create(dir, "voxgrad")
	if err != nil {
		return reason(err)
	}
	_, err = f.Write(make([]byte, 4096))
	if err == nil {
		err = f.Sync()
	}
	f.Close()
	drop(f.Name())
	return reason(err)
}

// reason is the error without the name of a temporary file.
func reason(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}

// space compares the sizes with what is free, a file system at a time.
func (p *Plan) space() error {
	type need struct {
		dir         string
		least, most int64
	}
	var needs []need
	for _, s := range p.size {
		dir := s.path
		for {
			if info, err := os.Stat(dir); err == nil && info.IsDir() || dir == filepath.Dir(dir) {
				break
			}
			dir = filepath.Dir(dir)
		}
		at := slices.IndexFunc(needs, func(n need) bool { return oneFileSystem(n.dir, dir) })
		if at < 0 {
			at, needs = len(needs), append(needs, need{dir: dir})
		}
		needs[at].least += s.least
		needs[at].most += s.most
	}
	for _, n := range needs {
		left, ok := free(n.dir)
		switch {
		case !ok:
		case left < n.least:
			return fmt.Errorf("%s has %s of free space, and at least %s are needed: make room or choose another folder", text.Clean(n.dir), text.Bytes(left), text.Bytes(n.least))
		case left < n.most:
			slog.Warn("there may be too little free space", "folder", text.Clean(n.dir), "free", text.Bytes(left), "needed at most", text.Bytes(n.most))
		}
	}
	return nil
}
