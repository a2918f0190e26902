package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"

	"voxgrad/cuda/predict"
	"voxgrad/internal/outfile"
)

// counter collects the counts of machine code. A nil one wants none.
type counter struct {
	file     string
	check    bool
	compiler string
	code     string // where ptxas is to write
	old      *predict.Table
	sources  map[string]string
	all      []predict.Kernel
}

var versionLine = regexp.MustCompile(`V[0-9.]+`)

// newCounter returns nil where nothing is to be counted: no file is named, or, where it is only to be checked, the
// disassembler is not there or the file is of another release of the assembler.
func newCounter(file string, check bool) (*counter, error) {
	if file == "" {
		return nil, nil
	}
	if _, err := exec.LookPath("nvdisasm"); err != nil {
		if check {
			log.Printf("nvdisasm is not installed: %s is taken as it is", file)
			return nil, nil
		}
		return nil, fmt.Errorf("cannot run nvdisasm (%w): install nvidia-cuda-toolkit", err)
	}
	out, err := exec.Command("ptxas", "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("ptxas --version: %w", err)
	}
	c := &counter{file: file, check: check, compiler: "ptxas " + versionLine.FindString(string(out)), sources: map[string]string{}}
	if text, err := os.ReadFile(file); err == nil && !check {
		// What is unchanged need not be assembled again. A table that cannot be read is made anew.
		if old, err := predict.ParseTable(string(text)); err == nil && old.Compiler == c.compiler {
			c.old = old
		}
	}
	if check && c.compiler != predict.Compiler() {
		log.Printf("%s is of %s, here is %s: it is taken as it is", file, predict.Compiler(), c.compiler)
		return nil, nil
	}
	code, err := os.CreateTemp("", "ptx*.cubin")
	if err != nil {
		return nil, err
	}
	c.code = code.Name()
	return c, code.Close()
}

// wants reports whether the machine code of a card is counted from this variant, the newest that it can run.
func (c *counter) wants(card, variant string, variants []string) bool {
	if c == nil || !slices.ContainsFunc(predict.Architectures(), func(a int) bool { return fmt.Sprintf("sm_%d", a) == card }) {
		return false
	}
	newest := ""
	for _, v := range variants { // from old to new
		if slices.Contains(cards[v], card) {
			newest = v
		}
	}
	return variant == newest
}

var entryName = regexp.MustCompile(`(?m)^\.visible \.entry (\w+)\(`)

// known notes the PTX of a file, and takes over what the table has of it for a card, if it is unchanged.
func (c *counter) known(path, card string) (bool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	file, hash := filepath.Base(path), predict.Hash(text)
	c.sources[file] = hash
	if c.old == nil || c.old.Sources[file] != hash {
		return false, nil
	}
	var all []predict.Kernel
	for _, m := range entryName.FindAllSubmatch(text, -1) {
		k := c.old.Kernel(number(card[len("sm_"):]), string(m[1]))
		if k == nil {
			return false, nil
		}
		all = append(all, *k)
	}
	c.all = append(c.all, all...)
	return len(all) > 0, nil
}

// add counts what ptxas wrote, of which it reported rows.
func (c *counter) add(card string, rows []usage) error {
	out, err := exec.Command("nvdisasm", "-c", c.code).Output()
	if err != nil {
		return fmt.Errorf("nvdisasm: %w", err)
	}
	kernels, err := predict.FromSASS(number(card[len("sm_"):]), string(out))
	if err != nil {
		return err
	}
	for _, k := range kernels {
		at := slices.IndexFunc(rows, func(u usage) bool { return u.entry == k.Name })
		if at < 0 {
			return fmt.Errorf("ptxas reports nothing of %s", k.Name)
		}
		k.Registers, k.Shared = rows[at].registers, rows[at].shared
		c.all = append(c.all, k)
	}
	return nil
}

func (c *counter) write() error {
	if c == nil {
		return nil
	}
	defer os.Remove(c.code)
	return outfile.WriteBytes(c.file, predict.Format(c.compiler, c.sources, c.all))
}

// current reports whether the file is what was counted.
func (c *counter) current() bool {
	if c == nil {
		return true
	}
	defer os.Remove(c.code)
	have, err := os.ReadFile(c.file)
	return err == nil && bytes.Equal(have, predict.Format(c.compiler, c.sources, c.all))
}
