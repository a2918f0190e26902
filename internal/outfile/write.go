// Package outfile writes files so that a crash, a full disk or an error half
// way leaves either the old file or the new one, never a part of one.
package outfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write calls write with a buffered writer to a temporary file beside path,
// flushes it to disk and renames it to path. On any error the temporary file is
// removed and path is as it was. Permissions follow the umask, as with os.Create.
func Write(path string, write func(w io.Writer) error) (err error) {
	if err := Check(path); err != nil {
		return err
	}
	dir, base := filepath.Split(path)
	f, err := create(dir, base)
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("cannot write %s: %w", path, err)
		}
	}()
	b := bufio.NewWriterSize(f, 1<<20)
	if err := write(b); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Check is the error of Write that can be known before there is anything to write: the
// folder is missing, or path is there and no file of data, so that a rename would take
// the place of a folder, a device or a pipe.
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
	case err != nil: // nothing there yet, or Write will tell
		return nil
	case info.IsDir():
		return fmt.Errorf("cannot write %s: it is a folder", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("cannot write %s: it is a device or a pipe; files are written whole beside it and renamed", path)
	}
	return nil
}

// create is os.CreateTemp with the permissions of os.Create.
func create(dir, base string) (*os.File, error) {
	for i := 0; ; i++ {
		name := filepath.Join(dir, fmt.Sprintf(".%s.%d-%d.tmp", base, os.Getpid(), i))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if os.IsExist(err) && i < 10000 {
			continue
		}
		return f, err
	}
}

// WriteBytes writes b.
func WriteBytes(path string, b []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}
