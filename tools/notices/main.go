// Command notices prints the third-party notices of the program: Go itself, every
// module linked into cmd/voxgrad on any platform of a release, and everything else that
// is embedded in it, with version and licence text.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// embedded are the folders with the notices of embedded files that come from others:
// one text file for each work, of which the first line is its name and version.
var embedded = []string{"report/view/third_party", "prepare/atlas/third_party"}

type module struct {
	Path, Version, Dir string
	Main               bool
}

func main() {
	log.SetFlags(0)
	modules, err := linked("./cmd/voxgrad")
	if err != nil {
		log.Fatal(err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print("# Third-party notices\n\nThe program is linked with the following modules. Written by `make notices`; do not edit.\n")
	for _, m := range append([]module{{Path: "The Go runtime and standard library", Dir: strings.TrimSpace(string(goroot))}}, modules...) {
		text, err := licence(m.Dir)
		if err != nil {
			log.Fatalf("%s: %v", m.Path, err)
		}
		fmt.Printf("\n## %s\n\n```\n%s\n```\n", strings.TrimSpace(m.Path+" "+m.Version), text)
	}
	fmt.Print("\n# Embedded files\n\nThe program holds the following works, which are no Go modules.\n")
	for _, dir := range embedded {
		if err := printFolder(dir); err != nil {
			log.Fatal(err)
		}
	}
}

// printFolder prints the notices of a folder, sorted by file name.
func printFolder(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s: no notices in it (notices runs in the project's root)", dir)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, text, _ := strings.Cut(string(b), "\n")
		text = strings.Trim(text, "\n")
		if name == "" || text == "" {
			return fmt.Errorf("%s: the first line must be a name and version, a licence must follow", path)
		}
		fmt.Printf("\n## %s\n\n```\n%s\n```\n", name, text)
	}
	return nil
}

// platforms are those of a release.
var platforms = [][]string{
	{"GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1"},
	{"GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0"},
	{"GOOS=darwin", "GOARCH=arm64", "CGO_ENABLED=0"},
	{"GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0"},
}

// linked lists the modules of all packages the program imports, sorted by path.
func linked(program string) ([]module, error) {
	seen := map[string]module{}
	for _, env := range platforms {
		cmd := exec.Command("go", "list", "-deps", "-tags", "cuda", "-json=Module", program)
		cmd.Env = append(os.Environ(), env...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, err
		}
		for d := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct{ Module *module }
			if err := d.Decode(&p); err == io.EOF {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				seen[p.Module.Path] = *p.Module
			}
		}
	}
	var all []module
	for _, m := range seen {
		all = append(all, m)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Path < all[j].Path })
	return all, nil
}

// licence is the text of the module's licence files and of its NOTICE.
func licence(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var texts []string
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !(strings.HasPrefix(name, "LICEN") || strings.HasPrefix(name, "COPYING") || strings.HasPrefix(name, "NOTICE")) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		var lines []string
		for line := range strings.Lines(strings.ReplaceAll(string(b), "\r\n", "\n")) {
			lines = append(lines, strings.TrimRight(line, " \t\n"))
		}
		texts = append(texts, strings.Trim(strings.Join(lines, "\n"), "\n"))
	}
	if texts == nil {
		return "", fmt.Errorf("no licence file in the module")
	}
	return strings.Join(texts, "\n\n"), nil
}
