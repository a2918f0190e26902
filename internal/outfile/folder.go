package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"voxgrad/internal/text"
)

// folders are those that this process made, with how many callers of Folder still have them. Whoever holds mu makes or
// removes one.
var folders = map[string]int{}

// Folder makes a folder with those that it is in, for files that come later. tidy, which is deferred whether the work
// succeeds or not, removes those that were made and that nothing is in, once nobody else in this process has them; Abandon
// removes them, too.
func Folder(dir string) (tidy func(), err error) {
	mu.Lock()
	defer mu.Unlock()
	var made []string // the innermost first
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); folders[d] == 0 && !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			break
		}
		made = append(made, d)
		folders[d]++
	}
	undo := func() {
		for _, d := range made {
			if folders[d]--; folders[d] == 0 {
				delete(folders, d)
				os.Remove(d) // fails where there is something in it
			}
		}
		made = nil
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		undo()
		return nil, fmt.Errorf("cannot make the folder %s: %w", text.Clean(dir), reason(err))
	}
	return func() {
		mu.Lock()
		defer mu.Unlock()
		undo()
	}, nil
}

// removeFolders removes the folders of this process that are empty.
func removeFolders() {
	var all []string
	for d := range folders {
		all = append(all, d)
	}
	slices.Sort(all)
	for _, d := range slices.Backward(all) { // what is in a folder is sorted behind it
		os.Remove(d)
	}
}
