// Package outfile writes files so that a crash, a full disk or an error half way
// leaves either the old file or the new one, never a part of one, and looks at the
// places of all outputs before the work for them begins.
package outfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// Write calls write with a buffered writer to a temporary file beside path,
// flushes it to disk and renames it to path. On any error the temporary file is
// removed and path is as it was. Permissions follow the umask, as with os.Create.
func Write(path string, write func(w io.Writer) error) error {
	return (*Set)(nil).Write(path, write)
}

// WriteBytes writes b.
func WriteBytes(path string, b []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// Set is files that appear together: Write writes each beside its place, Commit puts
// all of them into place. The zero Set is empty; a nil Set puts each file into place at
// once, like Write.
type Set struct {
	files []staged
}

type staged struct{ path, temp string }

// unfinished are the temporary files of this process. Whoever holds the lock creates,
// renames or removes one.
var (
	mu         sync.Mutex
	unfinished = map[string]bool{}
	written    atomic.Int64
)

// Write is Write for a file of the set, which appears with Commit.
func (s *Set) Write(path string, write func(w io.Writer) error) error {
	if err := Check(path); err != nil {
		return err
	}
	temp, err := stage(path, write)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	one := Set{[]staged{{path, temp}}}
	if s == nil {
		return one.Commit()
	}
	s.files = append(s.files, one.files...)
	return nil
}

// stage writes a temporary file and returns its name. On an error there is none.
func stage(path string, write func(w io.Writer) error) (name string, err error) {
	f, err := create(filepath.Split(path))
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			f.Close()
			drop(f.Name())
		}
	}()
	b := bufio.NewWriterSize(f, 1<<20)
	if err := write(b); err != nil {
		return "", err
	}
	if err := b.Flush(); err != nil {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// Commit puts the files of the set into place and empties it. Where one of them cannot
// be, all places are as they were.
func (s *Set) Commit() (err error) {
	mu.Lock()
	defer mu.Unlock()
	var undo, done []func()
	defer func() {
		for n := len(undo) - 1; err != nil && n >= 0; n-- {
			undo[n]()
		}
		for _, f := range done {
			f()
		}
		for _, f := range s.files {
			if unfinished[f.temp] {
				os.Remove(f.temp)
				delete(unfinished, f.temp)
			}
		}
		s.files = nil
	}()
	for _, f := range s.files {
		if err := Check(f.path); err != nil { // things may have changed since Write
			return err
		}
		back := func() { os.Remove(f.path) }
		if _, err := os.Lstat(f.path); err == nil && len(s.files) > 1 {
			old := f.temp + ".old"
			if os.Link(f.path, old) != nil { // a file system without links
				if err := os.Rename(f.path, old); err != nil {
					return fmt.Errorf("cannot write %s: %w", f.path, err)
				}
			}
			back = func() { _ = os.Rename(old, f.path) } // the error before it is the one to tell
			done = append(done, func() { os.Remove(old) })
		}
		undo = append(undo, back)
		if err := os.Rename(f.temp, f.path); err != nil {
			return fmt.Errorf("cannot write %s: %w", f.path, err)
		}
		delete(unfinished, f.temp)
	}
	written.Add(int64(len(s.files)))
	return nil
}

// Written is how many files this process has put into place.
func Written() int { return int(written.Load()) }

// Discard removes what was written and not committed. It may be deferred: after Commit it
// does nothing.
func (s *Set) Discard() {
	for _, f := range s.files {
		drop(f.temp)
	}
	s.files = nil
}

// Abandon removes the temporary files and the empty folders of this process and keeps it from making others:
// for a process that ends without waiting for what it does. A Commit that has begun is
// waited for.
func Abandon() {
	mu.Lock() // for good
	for name := range unfinished {
		os.Remove(name)
	}
	removeFolders()
}

func drop(temp string) {
	mu.Lock()
	defer mu.Unlock()
	os.Remove(temp)
	delete(unfinished, temp)
}

// longest is how many bytes of a file's name its temporary file's has, which must not
// become longer than file systems allow.
const longest = 200

// create is os.CreateTemp with the permissions of os.Create.
func create(dir, base string) (*os.File, error) {
	if len(base) > longest {
		cut := longest
		for cut > 0 && !utf8.RuneStart(base[cut]) {
			cut--
		}
		base = base[:cut]
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 0; ; i++ {
		name := filepath.Join(dir, fmt.Sprintf(".%s.%d-%d.tmp", base, os.Getpid(), i))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if os.IsExist(err) && i < 10000 {
			continue
		}
		if err == nil {
			unfinished[name] = true
		}
		return f, err
	}
}

// Check is the error of Write that can be known before there is anything to write: the
// folder is missing, or path is there and no file of data, so that a rename would take
// the place of a folder, a device or a pipe, or is write-protected.
func Check(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot write %s: %w; make the folder first", path, err)
	case err != nil:
		return fmt.Errorf("cannot write %s: %w", path, err)
	case !info.IsDir():
		return fmt.Errorf("cannot write %s: %s is not a directory", path, dir)
	}
	info, err = os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("cannot write %s: %w", path, err)
	case info.IsDir():
		return fmt.Errorf("cannot write %s: it is a folder", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("cannot write %s: it is a device or a pipe; files are written whole beside it and renamed", path)
	case info.Mode().Perm()&0o222 == 0: // a rename would not ask
		return fmt.Errorf("cannot write %s: it is there and write-protected: choose another name, or permit it (chmod u+w)", path)
	}
	return nil
}
