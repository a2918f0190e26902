package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
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
	c := &counter{file: file, check: check, compiler: "ptxas " + versionLine.FindString(string(out))}
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
	return outfile.WriteBytes(c.file, predict.Format(c.compiler, c.all))
}

// current reports whether the file is what was counted.
func (c *counter) current() bool {
	if c == nil {
		return true
	}
	defer os.Remove(c.code)
	have, err := os.ReadFile(c.file)
	return err == nil && bytes.Equal(have, predict.Format(c.compiler, c.all))
}
