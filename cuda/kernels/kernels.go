// Package kernels holds the PTX of every kernel of the CUDA backend, compiled
// from the *.cu beside it (make ptx). A file is NAME.VARIANT.ptx: the variant is
// the architecture whose instructions it uses, such as sm_61.
package kernels

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:generate go run voxgrad/tools/ptx -dir .
//go:embed *.ptx
var files embed.FS

// Names are the modules, sorted.
func Names() []string {
	found, err := fs.Glob(files, "*.ptx")
	if err != nil {
		panic(err)
	}
	for i, file := range found {
		found[i], _, _ = strings.Cut(file, ".")
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// For are the names of the modules that a card of a compute capability (times ten) can run: all of them, but for those
// on tensor cores where it has none. The error says that it can run none.
func For(compute int) ([]string, error) {
	var can []string
	var why error
	for _, name := range Names() {
		if _, _, err := Source(name, compute); err == nil {
			can = append(can, name)
		} else if why == nil {
			why = err
		}
	}
	if len(can) == 0 {
		return nil, why
	}
	return can, nil
}

// Source returns the best PTX of one of the modules here, as Select does.
func Source(name string, compute int) (ptx, variant string, err error) {
	return Select(files, name, compute)
}

// Select returns the PTX of a module for a card of the given compute capability (times ten), and its variant: of the
// files NAME.sm_NN.ptx the one with the newest instructions that the card has. A variant such as sm_90a is for
// one card alone, 9.0, and best there.
func Select(files fs.FS, name string, compute int) (ptx, variant string, err error) {
	dir := path.Dir(name)
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return "", "", fmt.Errorf("kernels: %w", err)
	}
	found, best, oldest := "", -1, 0
	for _, e := range entries {
		v, ours := strings.CutPrefix(e.Name(), path.Base(name)+".")
		v, ptx := strings.CutSuffix(v, ".ptx")
		if !ours || !ptx {
			continue
		}
		number, sm := strings.CutPrefix(v, "sm_")
		number, only := strings.CutSuffix(number, "a")
		needs, err := strconv.Atoi(number)
		if !sm || err != nil || needs < 1 || needs > 1000 {
			return "", "", fmt.Errorf("kernels: %s is not named NAME.sm_NN.ptx", path.Join(dir, e.Name()))
		}
		if oldest == 0 || needs < oldest {
			oldest = needs
		}
		rank := 2 * needs
		if only {
			rank++
		}
		if needs > compute || only && needs != compute || rank < best {
			continue
		}
		found, variant, best = e.Name(), v, rank
	}
	switch {
	case oldest == 0:
		return "", "", fmt.Errorf("kernels: there is no module %q: no file %s.sm_NN.ptx", name, name)
	case best < 0:
		return "", "", fmt.Errorf("kernels: the card has compute capability %d.%d, the kernels need %d.%d or newer",
			compute/10, compute%10, oldest/10, oldest%10)
	}
	text, err := fs.ReadFile(files, path.Join(dir, found))
	return string(text), variant, err
}
