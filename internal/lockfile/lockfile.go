// Package lockfile keeps two processes from working in one folder, also on different
// machines where the file system is shared. The system takes a lock back when its process
// ends, however that happens, so that a crash leaves nothing in the way.
package lockfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"voxgrad/internal/outfile"
)

// Name is the lock's name in a folder.
const Name = ".voxgrad.lock"

// Lock is a lock that this process holds.
type Lock struct {
	f      *os.File
	shared bool
	tidy   func() // removes the folders that were made for it and are empty
}

// errBusy is that of a lock which others hold in a way that excludes the one wanted.
var errBusy = errors.New("locked")

// Folder locks a folder for this process alone, and makes it if need be.
func Folder(dir string) (*Lock, error) {
	tidy, err := outfile.Folder(dir)
	if err != nil {
		return nil, err
	}
	l, err := File(filepath.Join(dir, Name), dir)
	if err != nil {
		tidy()
		return nil, err
	}
	l.tidy = tidy
	return l, nil
}

// File locks by a file; what is what the lock is about, for the message that names who
// holds it.
func File(path, what string) (*Lock, error) {
	f, err := open(path, true)
	switch {
	case errors.Is(err, errBusy):
		return nil, fmt.Errorf("%s is in use by %s: wait for it or end it; nothing was changed", what, holder(path))
	case err != nil:
		return nil, fmt.Errorf("cannot lock %s: %w (does the file system support locks?)", what, err)
	}
	l := &Lock{f: f}
	if err := l.write(""); err != nil {
		l.Unlock()
		return nil, fmt.Errorf("cannot lock %s: %w", what, err)
	}
	return l, nil
}

// Shared locks a folder together with all other processes that do the same work in it, of
// which key is a name; the folder is made if need be. Alone is called first if no other
// process is there, while none can come. Others at different work are an error that names
// who holds the folder.
func Shared(dir, key string, alone func() error) (*Lock, error) {
	tidy, err := outfile.Folder(dir)
	if err != nil {
		return nil, err
	}
	l, err := shared(dir, key, alone)
	if err != nil {
		tidy()
		return nil, err
	}
	l.tidy = tidy
	return l, nil
}

func shared(dir, key string, alone func() error) (*Lock, error) {
	path := filepath.Join(dir, Name)
	for range 100 {
		f, err := open(path, true)
		if err == nil {
			l := &Lock{f: f}
			if err := errors.Join(alone(), l.write(key)); err != nil {
				l.Unlock()
				return nil, err
			}
			if err := flock(f, false); err != nil {
				l.Unlock()
				return nil, fmt.Errorf("cannot lock %s: %w", dir, err)
			}
			l.shared = true
			if l.key() == key { // nobody came in between
				return l, nil
			}
			l.Unlock()
			continue
		}
		if !errors.Is(err, errBusy) {
			return nil, fmt.Errorf("cannot lock %s: %w (does the file system support locks?)", dir, err)
		}
		if f, err = open(path, false); err == nil {
			l := &Lock{f: f, shared: true}
			if l.key() == key {
				if err := l.sign(); err != nil {
					l.Unlock()
					return nil, fmt.Errorf("cannot lock %s: %w", dir, err)
				}
				return l, nil
			}
			l.Unlock()
			return nil, fmt.Errorf("%s is in use, with other settings or for something else, by %s: wait for it or end it, or choose another folder; nothing was changed",
				dir, holder(path))
		}
		time.Sleep(20 * time.Millisecond) // another process is about to share it, or works alone
	}
	return nil, fmt.Errorf("%s is in use by %s: wait for it or end it; nothing was changed", dir, holder(path))
}

// open opens and locks a file that nobody removes meanwhile.
func open(path string, exclusive bool) (*os.File, error) {
	for range 100 {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		if err := flock(f, exclusive); err != nil {
			f.Close()
			return nil, err
		}
		mine, err1 := f.Stat()
		now, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(mine, now) {
			return f, nil
		}
		f.Close() // who had it has removed the file
	}
	return nil, errBusy
}

// Unlock releases the lock. The last one to hold it removes the file, and the folders that
// were made for it if nothing else is in them.
func (l *Lock) Unlock() {
	if l == nil || l.f == nil {
		return
	}
	if !l.shared || flock(l.f, true) == nil {
		os.Remove(l.f.Name())
	}
	l.f.Close()
	l.f = nil
	if l.tidy != nil {
		l.tidy()
	}
}

// write begins the file: the key, and below it who holds the lock.
func (l *Lock) write(key string) error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	if _, err := l.f.WriteAt([]byte(strconv.Quote(key)+"\n"), 0); err != nil {
		return err
	}
	return l.sign()
}

// sign adds this process to those that the file names.
func (l *Lock) sign() error {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	end, err := l.f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	_, err = l.f.WriteAt(fmt.Appendf(nil, "process %d on %s since %s: %s\n", os.Getpid(), host, time.Now().Format(time.DateTime), command()), end)
	return err
}

// command is the command line of this process, in one line of bounded length.
func command() string {
	const most = 300
	s := strings.Trim(strconv.QuoteToGraphic(strings.Join(os.Args, " ")), `"`)
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}

// key is the first line of the file.
func (l *Lock) key() string {
	first, _, _ := strings.Cut(l.content(), "\n")
	key, err := strconv.Unquote(first)
	if err != nil {
		return ""
	}
	return key
}

// content is the beginning of the file, where all of it that matters is.
func (l *Lock) content() string {
	b := make([]byte, 4096)
	n, err := l.f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	return string(b[:n])
}

// holder is who the file says holds the lock, or has held it together with others.
func holder(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return "another process"
	}
	defer f.Close()
	_, who, _ := strings.Cut((&Lock{f: f}).content(), "\n")
	if who = strings.TrimSpace(who); who == "" {
		return "another process"
	}
	return strings.ReplaceAll(who, "\n", "; ")
}
