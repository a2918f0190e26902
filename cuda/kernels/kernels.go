// Package kernels holds the PTX of every kernel of the CUDA backend, compiled
// from the *.cu beside it (make ptx). A file is NAME.VARIANT.ptx: the variant is
// the architecture whose instructions it uses, such as sm_61.
package kernels

import (
	"embed"
	"fmt"
	"io/fs"
	"sort"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run voxgrad/tools/ptx -dir .
//go:embed *.ptx
var files embed.FS

// variant is one compiled form of a module.
type variant struct {
	name    string // "sm_61"
	compute int    // 61
	exact   bool   // sm_90a: runs on 9.0 and nothing newer
	file    string
}

var index = sync.OnceValue(func() map[string][]variant {
	m := map[string][]variant{}
	names, err := fs.Glob(files, "*.ptx")
	if err != nil {
		panic(err)
	}
	for _, file := range names {
		module, name, compute, exact, err := parseName(file)
		if err != nil {
			panic(err)
		}
		m[module] = append(m[module], variant{name, compute, exact, file})
	}
	for _, vs := range m {
		sort.Slice(vs, func(i, j int) bool { return vs[j].less(vs[i]) }) // best first
	}
	return m
})

func (v variant) less(o variant) bool {
	if v.compute != o.compute {
		return v.compute < o.compute
	}
	return !v.exact && o.exact
}

func (v variant) runsOn(compute int) bool {
	if v.exact {
		return compute == v.compute
	}
	return compute >= v.compute
}

// parseName splits "conv.sm_90a.ptx".
func parseName(file string) (module, name string, compute int, exact bool, err error) {
	p := strings.Split(file, ".")
	if len(p) != 3 || p[2] != "ptx" || !strings.HasPrefix(p[1], "sm_") {
		return "", "", 0, false, fmt.Errorf("kernels: %s is not named NAME.sm_NN.ptx", file)
	}
	digits := strings.TrimPrefix(p[1], "sm_")
	exact = strings.HasSuffix(digits, "a")
	compute, err = strconv.Atoi(strings.TrimSuffix(digits, "a"))
	if err != nil {
		return "", "", 0, false, fmt.Errorf("kernels: %s is not named NAME.sm_NN.ptx", file)
	}
	return p[0], p[1], compute, exact, nil
}

// Names are the modules, sorted.
func Names() []string {
	var names []string
	for name := range index() {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Source gives the best PTX of a module for a card of the given compute
// capability (times ten) and the variant it is of.
func Source(name string, compute int) (ptx, variant string, err error) {
	vs := index()[name]
	if len(vs) == 0 {
		return "", "", fmt.Errorf("kernels: there is no module %q", name)
	}
	for _, v := range vs {
		if v.runsOn(compute) {
			text, err := files.ReadFile(v.file)
			return string(text), v.name, err
		}
	}
	least := vs[len(vs)-1]
	return "", "", fmt.Errorf("kernels: the card has compute capability %d.%d, the kernels need %d.%d or newer",
		compute/10, compute%10, least.compute/10, least.compute%10)
}
