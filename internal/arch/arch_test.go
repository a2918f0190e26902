// Package arch holds the order of the packages: a test over go list fails when
// one imports what lies below it in the table of docs/architecture.md.
package arch

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "voxgrad"

// may says what each package may import of this module; "internal" stands for
// the small helpers (par, rng, atomicfile, infile, settings, warn). A package that is not listed may be
// imported by nobody but the program.
var may = map[string][]string{
	"internal/par":        {},
	"internal/rng":        {},
	"internal/atomicfile": {},
	"internal/infile":     {},
	"internal/settings":   {"internal"},
	"internal/warn":       {},
	"internal/text":       {},
	"internal/strictjson": {"internal"},
	"internal/arch":       {},
	"device":              {},
	"device/ref":          {"device", "internal"},
	"device/cpu":          {"device", "internal"},
	"device/devicetest":   {"device", "device/ref", "internal"},
	"device/meta":         {"device"},
	"device/bench":        {"device", "device/meta", "internal"},
	"cuda/driver":         {},
	"cuda/memplan":        {"cuda/driver"},
	"cuda/peak":           {"cuda/driver"},
	"cuda/ptx":            {},
	"cuda/emu":            {"cuda/driver", "cuda/ptx", "internal"},
	"cuda/gpu":            {"cuda/driver", "cuda/ptx", "internal"},
	"cuda/kernels":        {},
	"cuda":                {"device", "cuda/driver", "cuda/ptx", "cuda/kernels", "internal"},
	"autograd":            {"device", "internal"},
	"layers":              {"autograd", "device", "internal"},
	"models":              {"layers", "autograd", "device", "internal"},
	"models/gradcheck":    {"models", "layers", "autograd", "device", "device/ref", "device/devicetest", "internal"},
	"volume":              {"internal"},
	"metrics":             {"volume", "internal"},
	"augment":             {"device", "volume", "internal"},
	"synth":               {"models", "layers", "autograd", "augment", "device", "volume", "internal"},
	"train":               {"models", "layers", "autograd", "augment", "synth", "device", "device/meta", "volume", "metrics", "internal"},
	"train/pipeline":      {"train", "models", "layers", "autograd", "device", "synth", "report", "metrics", "volume", "internal"},
	"report":              {"metrics", "volume", "internal"},
	"report/view":         {"report", "volume", "internal"},
	"cmd":                 {"*"},
	"tools":               {"*"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

// owner is the entry of may a package belongs to: itself or its nearest listed parent.
func owner(path string) string {
	for p := path; ; {
		if _, ok := may[p]; ok {
			return p
		}
		i := strings.LastIndexByte(p, '/')
		if i < 0 {
			return ""
		}
		p = p[:i]
	}
}

func TestImportsPointUpward(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...").Output()
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(out))
	n := 0
	for {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			break
		} else {
			require.NoError(t, err)
		}
		n++
		self := strings.TrimPrefix(p.ImportPath, module+"/")
		from := owner(self)
		require.NotEmpty(t, from, "package %s is not in the table: add it to docs/architecture.md and to this test", self)
		for _, imp := range p.Imports {
			target, ours := strings.CutPrefix(imp, module+"/")
			if !ours || slices.Contains(may[from], "*") {
				continue
			}
			to := owner(target)
			if to == from || strings.HasPrefix(target, "internal/") && slices.Contains(may[from], "internal") {
				continue
			}
			require.Contains(t, may[from], to, "%s imports %s, which the order of the packages forbids", self, target)
		}
	}
	require.Greater(t, n, 10, "go list found too few packages for this test to mean anything")
}
