// Package arch holds the order of the packages: a test over go list fails when
// one imports what is below it in the table of docs/architecture.md.
package arch

import (
	"bytes"
	"encoding/json"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "voxgrad"

// may states what each package may import of this module; "internal" stands for
// the small helpers (par, rng, outfile, infile, settings, warn). A package that is not listed may be
// imported by nobody but the program.
var may = map[string][]string{
	"internal/par":        {},
	"internal/rng":        {},
	"internal/outfile":    {"internal"},
	"internal/numdiff":    {"internal"},
	"internal/infile":     {},
	"internal/lockfile":   {"internal"},
	"internal/settings":   {"internal"},
	"internal/warn":       {},
	"internal/text":       {},
	"internal/strictjson": {"internal"},
	"internal/table":      {"internal"},
	"internal/arch":       {},
	"device":              {},
	"device/ref":          {"device", "internal"},
	"device/cpu":          {"device", "internal"},
	"device/devicetest":   {"device", "device/ref", "internal"},
	"device/meta":         {"device"},
	"device/bench":        {"device", "device/meta", "internal"},
	"cuda/ptx":            {},
	"cuda/driver":         {"cuda/ptx"},
	"cuda/memplan":        {"cuda/driver", "cuda/ptx"},
	"cuda/launches":       {"cuda/driver", "cuda/memplan"},
	"cuda/peak":           {"cuda/driver"},
	"cuda/emu":            {"cuda/driver", "cuda/ptx", "internal"},
	"cuda/gpu":            {"cuda/driver", "cuda/ptx", "internal"},
	"cuda/kernels":        {},
	"cuda":                {"device", "cuda/driver", "cuda/kernels", "internal"},
	"cuda/predict":        {"cuda", "cuda/driver", "cuda/launches", "device"},
	"autograd":            {"device", "internal"},
	"autograd/gradcheck":  {"autograd", "device", "internal"},
	"layers":              {"autograd", "device", "internal"},
	"models":              {"layers", "autograd", "device", "internal"},
	"models/netcheck":     {"models", "layers", "autograd", "autograd/gradcheck", "device", "device/ref", "internal"},
	"models/passes":       {"models", "layers", "autograd", "device", "device/bench", "internal"},
	"volume":              {"internal"},
	"metrics":             {"volume", "internal"},
	"augment":             {"device", "volume", "internal"},
	"synth":               {"models", "layers", "autograd", "augment", "device", "volume", "prepare/atlas", "internal"},
	"train":               {"models", "layers", "autograd", "augment", "synth", "device", "device/meta", "volume", "metrics", "internal"},
	"train/pipeline":      {"train", "models", "layers", "autograd", "device", "synth", "report", "metrics", "volume", "internal"},
	"report":              {"metrics", "volume", "internal"},
	"report/view":         {"report", "volume", "internal"},
	"prepare/atlas":       {"volume", "internal"},
	"weights":             {"models", "device", "internal"},
	"prepare":             {"prepare/atlas", "weights", "models", "layers", "autograd", "device", "volume", "report", "internal"},
	// As another module would: nothing internal.
	"examples": {"device", "device/ref", "device/cpu", "cuda", "cuda/driver", "cuda/emu", "cuda/gpu", "autograd", "autograd/gradcheck", "layers", "models", "train"},
	"cmd":      {"*"},
	"tools":    {"*"},
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

// packages are those that match a pattern.
func packages(t *testing.T, pattern string) (list []pkg) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", pattern).Output()
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		err := d.Decode(&p)
		if err == io.EOF {
			return list
		}
		require.NoError(t, err)
		list = append(list, p)
	}
}

func TestImportsPointUpward(t *testing.T) {
	n := 0
	for _, p := range packages(t, module+"/...") {
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

// shared are the packages below the program's folder that are no command, and what they may
// import there: the commands stand beside each other, and the root alone knows them.
var shared = map[string][]string{
	"cli":     {},
	"runs":    {"cli"},
	"scoring": {"cli"},
	"clitest": {"cli", "root"},
	"root":    {"*"},
}

func TestCommandsDoNotImportEachOther(t *testing.T) {
	const program = module + "/cmd/voxgrad/internal/"
	commands := 0
	for _, p := range packages(t, program+"...") {
		self := strings.TrimPrefix(p.ImportPath, program)
		may, ok := shared[self]
		if !ok {
			commands++
			may = []string{"cli", "runs", "scoring"}
		}
		for _, imp := range p.Imports {
			if target, ours := strings.CutPrefix(imp, program); ours && !slices.Contains(may, "*") {
				require.Contains(t, may, target, "%s imports %s: what two commands need goes into a package of its own", self, target)
			}
		}
	}
	require.Greater(t, commands, 10, "go list found too few commands for this test to mean anything")
}

// Examples are read by those who import a package from elsewhere, where internal is closed.
func TestExamplesImportNothingInternal(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{range .XTestGoFiles}}{{$.Dir}}/{{.}}\n{{end}}{{range .TestGoFiles}}{{$.Dir}}/{{.}}\n{{end}}", module+"/...").Output()
	require.NoError(t, err)
	n := 0
	for _, path := range strings.Fields(string(out)) {
		if filepath.Base(path) != "example_test.go" {
			continue
		}
		n++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		require.NoError(t, err)
		for _, imp := range f.Imports {
			require.NotContains(t, imp.Path.Value, "/internal/", path)
		}
	}
	require.Greater(t, n, 5, "too few examples were found for this test to mean anything")
}

// Folders of outputs are made by outfile alone, which removes those that stay empty when the work fails or is interrupted.
func TestFoldersAreMadeInOnePlace(t *testing.T) {
	n := 0
	for _, p := range packages(t, module+"/...") {
		self := strings.TrimPrefix(p.ImportPath, module+"/")
		if self == "internal/outfile" || strings.HasPrefix(self, "tools/") || strings.HasPrefix(self, "examples/") || strings.HasSuffix(self, "/phantomset") || strings.HasSuffix(self, "/clitest") {
			continue
		}
		files, err := filepath.Glob(filepath.Join("../..", self, "*.go"))
		require.NoError(t, err)
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			n++
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			require.NotRegexp(t, `os\.(MkdirAll|Mkdir)\(`, string(text), "%s: make folders with outfile.Folder", f)
		}
	}
	require.Greater(t, n, 300, "go list found too few files for this test to mean anything")
}
