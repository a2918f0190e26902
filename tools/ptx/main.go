// Command ptx compiles cuda/kernels/*.cu to the PTX that is committed beside them
// and embedded in the program.
//
//	go run ./tools/ptx          compile: NAME.cu → NAME.sm_61.ptx, …
//	go run ./tools/ptx -check   prove that the committed files are current and that
//	                            ptxas accepts each for every card it may run on
//	go run ./tools/ptx -machine FILE   count what is in the machine code of the committed
//	                                   PTX, for package predict (with -check: compare)
//
// It needs nvcc and ptxas of CUDA 11.8 (Debian's nvidia-cuda-toolkit): another
// release writes other bytes. A source names its variants in a line
// "// variants: sm_61 sm_80"; without one it has sm_61 alone.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"voxgrad/internal/outfile"
)

// release is the compiler whose output is committed.
const release = "release 11.8"

func main() {
	log.SetFlags(0)
	log.SetPrefix("ptx: ")
	dir := flag.String("dir", "cuda/kernels", "folder of the sources")
	check := flag.Bool("check", false, "compare with the committed files and assemble them")
	machine := flag.String("machine", "", "file of the counts of machine code; it needs nvdisasm")
	flag.Parse()
	if err := run(*dir, *check, *machine); err != nil {
		log.Fatal(err)
	}
}

// run compiles every source of a folder, or checks what is committed of it, or counts its machine code.
func run(dir string, check bool, machine string) error {
	if err := compiler(); err != nil {
		return err
	}
	sources, err := filepath.Glob(filepath.Join(dir, "*.cu"))
	if err != nil || len(sources) == 0 {
		return fmt.Errorf("no *.cu in %s", dir)
	}
	stale := 0
	var rows []usage
	counts, err := newCounter(machine, check)
	if err != nil {
		return err
	}
	made := map[string]bool{}
	for _, source := range sources {
		variants, err := variantsOf(source)
		if err != nil {
			return err
		}
		for _, variant := range variants {
			path := strings.TrimSuffix(source, ".cu") + "." + variant + ".ptx"
			made[path] = true
			if counts != nil && !check {
				if _, err := assemble(path, variant, variants, counts); err != nil {
					return err
				}
				continue
			}
			have, err := os.ReadFile(path)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			ptx, err := compile(source, variant)
			for again := 0; again < 3 && err == nil && !bytes.Equal(have, ptx); again++ { // one compilation in ten numbers registers otherwise, as the addresses happen to be
				ptx, err = compile(source, variant)
			}
			if err != nil {
				return err
			}
			if bytes.Contains(ptx, []byte("_INTERNAL_")) {
				return fmt.Errorf("%s: a static function or variable made a name with a hash of the file's path in it, other on every machine; drop the static", source)
			}
			if !check {
				if err := outfile.WriteBytes(path, ptx); err != nil {
					return err
				}
				continue
			}
			if !bytes.Equal(have, ptx) {
				log.Printf("%s is not what %s compiles to: run make ptx", path, source)
				stale++
				continue
			}
			used, err := assemble(path, variant, variants, counts)
			if err != nil {
				return err
			}
			rows = append(rows, used...)
		}
	}
	if !check {
		return counts.write()
	}
	if !counts.current() {
		log.Printf("%s is not what the kernels assemble to: run make predict-table", machine)
		stale++
	}
	committed, err := filepath.Glob(filepath.Join(dir, "*.ptx"))
	if err != nil {
		return err
	}
	for _, path := range committed {
		if !made[path] {
			log.Printf("%s is compiled from no source: delete it", path)
			stale++
		}
	}
	if spills := printTable(rows); stale > 0 || spills > 0 {
		return fmt.Errorf("%d stale files, %d entries spill registers", stale, spills)
	}
	return nil
}

// compiler checks that nvcc is there and of the right release.
func compiler() error {
	out, err := exec.Command("nvcc", "--version").Output()
	if err != nil {
		return fmt.Errorf("cannot run nvcc (%w): install nvidia-cuda-toolkit", err)
	}
	if !strings.Contains(string(out), release) {
		return fmt.Errorf("nvcc is not of %s, whose output is committed: %s", release, bytes.TrimSpace(out))
	}
	return nil
}

var variantLine = regexp.MustCompile(`(?m)^// variants:(( +sm_[0-9]+a?)+)$`)

func variantsOf(source string) ([]string, error) {
	text, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	if m := variantLine.FindSubmatch(text); m != nil {
		return strings.Fields(string(m[1])), nil
	}
	return []string{"sm_61"}, nil
}

// compile is the PTX of a source, without the comments that name the compiler's
// build.
func compile(source, variant string) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "ptx")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	out := filepath.Join(tmp, "out.ptx")
	cmd := exec.Command("nvcc", "-ptx", "-O3", "-std=c++17", "-I", filepath.Dir(source),
		"-arch="+strings.Replace(variant, "sm_", "compute_", 1), source, "-o", out)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s for %s: %w\n%s", source, variant, err, msg)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		return nil, err
	}
	var keep []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "//") {
			keep = append(keep, line)
		}
	}
	head := fmt.Sprintf("// Compiled from %s for %s by make ptx. Do not edit.\n", filepath.Base(source), variant)
	return []byte(head + strings.TrimLeft(strings.Join(keep, ""), "\n")), nil
}
