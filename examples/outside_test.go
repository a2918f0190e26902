// Package examples has the examples, one folder each, and tests docs/library.md.
package examples

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readmeHead makes a file of what README.md shows.
const readmeHead = `package main

import (
	"log"

	"voxgrad/autograd"
	"voxgrad/autograd/gradcheck"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
)

func init() {
	image, classes := make([]float32, 512), make([]float32, 1024)
	for i := range image {
		image[i], classes[2*i+i%2] = float32(i%7), 1
	}
	if err := readme(image, classes); err != nil {
		log.Fatal(err)
	}
}

func readme(image, classes []float32) error {
`

// The programs of docs/library.md and the lines of README.md are built and run in a module of their own, by a replace directive and by a workspace,
// from the modules that this one needs and no others.
func TestFromAnotherModule(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	docs, err := os.ReadFile(filepath.Join(root, "docs", "library.md"))
	require.NoError(t, err)
	sources := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindAllStringSubmatch(string(docs), -1)
	require.Len(t, sources, 2)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	require.NoError(t, err)
	snippet := regexp.MustCompile("(?s)```go\n(.*?)```").FindStringSubmatch(string(readme))
	require.NotNil(t, snippet)
	sources = append(sources, []string{"", readmeHead + snippet[1] + "return err }\n"})
	modFile, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	ours := string(modFile)
	version := regexp.MustCompile(`(?m)^go .*$`).FindString(ours)
	required := strings.Join(regexp.MustCompile(`(?s)require \(.*?\n\)`).FindAllString(ours, -1), "\n")
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)

	// A workspace asks for modules that no build here needs, such as those of Windows; on a fresh machine they are not there yet.
	fetch := exec.Command("go", "mod", "download")
	fetch.Dir = root
	out, err := fetch.CombinedOutput()
	require.NoError(t, err, string(out))

	for name, files := range map[string]map[string]string{
		// What go mod tidy would write, without asking a proxy.
		"replace": {"go.mod": fmt.Sprintf("module example.com/own\n\n%s\n\nrequire voxgrad v0.0.0\n\n%s\n\nreplace voxgrad => %s\n", version, required, root),
			"go.sum": string(sums)},
		"workspace": {"go.mod": "module example.com/own\n\n" + version + "\n",
			"go.work": version + "\n\nuse (\n\t.\n\t" + root + "\n)\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for i, s := range sources {
				files[fmt.Sprintf("file%d.go", i)] = s[1]
			}
			for file, text := range files {
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			run := func(args ...string) string {
				cmd := exec.Command("go", args...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=")
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, string(out))
				return string(out)
			}
			run("vet", ".")
			out := run("run", ".")
			require.Regexp(t, `^step 0: loss 0\.\d\d\nstep 49: loss 0\.\d\d\nsaved and loaded: <nil>\n$`, out)
			var first, last float64
			_, err := fmt.Sscanf(out, "step 0: loss %f\nstep 49: loss %f", &first, &last)
			require.NoError(t, err)
			require.Less(t, last, first/2)
			require.FileExists(t, filepath.Join(dir, "own.safetensors"))
		})
	}
}
