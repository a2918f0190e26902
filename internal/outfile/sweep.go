package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// temporary matches the names that create gives, and what Commit sets aside.
var temporary = regexp.MustCompile(`^\..+\.[0-9]+-[0-9]+\.tmp(\.old)?$`)

// Sweep removes the temporary files that processes which were killed have left in a folder.
// The caller has to know that nobody else writes there. A folder that is not there is clean.
func Sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if e.Type().IsRegular() && temporary.MatchString(e.Name()) {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	if err != nil {
		return fmt.Errorf("cannot clear what a killed run has left: %w", err)
	}
	return nil
}
