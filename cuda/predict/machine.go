package predict

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Code counts the instructions of a warp in a part of a kernel's machine code.
type Code struct {
	Instructions   int
	MMA, MMAFlops  int // on tensor cores, and the operations of one warp's in all
	FFMA           int // fp32 on plain cores, multiplications and additions by themselves not counted
	FP64, MUFU     int
	LDG, STG       int
	LDS, STS       int // LDSM is a load
	LDGSTS         int // copies from global to shared memory
	Loaded, Stored int // bytes of global memory a thread, by LDG and LDGSTS, and STG
	Passes         int // of shared memory, of 128 bytes each, without bank conflicts
}

// columns are the numbers of a line of the table, in its order.
func (c *Code) columns() []*int {
	return []*int{&c.Instructions, &c.MMA, &c.MMAFlops, &c.FFMA, &c.FP64, &c.MUFU, &c.LDG, &c.STG, &c.LDS, &c.STS, &c.LDGSTS, &c.Loaded, &c.Stored, &c.Passes}
}

// Kernel is the machine code of a kernel for an architecture.
type Kernel struct {
	Arch      int // 90 of sm_90
	Name      string
	Registers int // of a thread
	Shared    int // bytes of static shared memory

	Straight Code // outside all loops, every branch
	Loop     Code // of the main loop, once
	Outer    Code // of the loops around it, without inner ones, once
	Copy     Code // of the loop with the most LDGSTS beside the main one, once
}

// PerProduct is how many instructions the main loop has for each MMA, or for each FFMA where it has none.
func (k *Kernel) PerProduct() float64 {
	return float64(k.Loop.Instructions) / float64(max(1, k.Loop.MMA+k.Loop.FFMA))
}

// parts are a kernel's lines in the table.
func (k *Kernel) parts() []struct {
	name string
	code *Code
} {
	return []struct {
		name string
		code *Code
	}{{"straight", &k.Straight}, {"loop", &k.Loop}, {"outer", &k.Outer}, {"copy", &k.Copy}}
}

const tableHead = "# Counted in the machine code of every kernel, by make predict-table; instructions are those of a warp. straight: outside all loops, every branch;\n" +
	"# loop: the main loop, once; outer: the loops around it; copy: another loop, which copies to shared memory. loaded, stored: bytes a thread;\n" +
	"# passes: of shared memory, without bank conflicts\n" +
	"# arch kernel registers shared part instructions mma mma_flops ffma fp64 mufu ldg stg lds sts ldgsts loaded stored passes\n"

// Format is the table's text. compiler is the version whose machine code it is of, sources are the hashes of the PTX by file.
func Format(compiler string, sources map[string]string, all []Kernel) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "compiler %s\n", compiler)
	for _, file := range slices.Sorted(maps.Keys(sources)) {
		fmt.Fprintf(&b, "ptx %s %s\n", file, sources[file])
	}
	b.WriteString(tableHead)
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Kernel) int {
		if a.Arch != b.Arch {
			return a.Arch - b.Arch
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, k := range all {
		for _, p := range k.parts() {
			if p.code.Instructions == 0 {
				continue
			}
			fmt.Fprintf(&b, "%d %s %d %d %s", k.Arch, k.Name, k.Registers, k.Shared, p.name)
			for _, n := range p.code.columns() {
				fmt.Fprintf(&b, " %d", *n)
			}
			b.WriteByte('\n')
		}
	}
	return append(sumLine(b.String()), b.String()...)
}

// sumLine is the first line of a table: the hash of what follows. Tables that version control merged line by line would mix counts of several kernels' code.
func sumLine(rest string) []byte { return fmt.Appendf(nil, "sum %s\n", Hash([]byte(rest))) }

// Hash is that of PTX in a table.
func Hash(ptx []byte) string { return fmt.Sprintf("%x", sha256.Sum256(ptx))[:16] }

// Table is counts of machine code.
type Table struct {
	Compiler string
	Sources  map[string]string // hashes of the PTX, by file
	kernels  map[machine]*Kernel
}

// Kernel is nil if the table does not have it for an architecture.
func (t *Table) Kernel(arch int, name string) *Kernel { return t.kernels[machine{arch, name}] }

// ParseTable reads what Format wrote.
func ParseTable(text string) (*Table, error) {
	t := &Table{Sources: map[string]string{}, kernels: map[machine]*Kernel{}}
	all := t.kernels
	if sum, rest, _ := strings.Cut(text, "\n"); sum+"\n" != string(sumLine(rest)) {
		return nil, fmt.Errorf("machine table: its sum is not that of its lines: it was edited or merged (make predict-table)")
	}
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "compiler "); ok {
			t.Compiler = rest
			continue
		}
		if rest, ok := strings.CutPrefix(line, "ptx "); ok {
			file, hash, _ := strings.Cut(rest, " ")
			t.Sources[file] = hash
			continue
		}
		if strings.HasPrefix(line, "#") || number == 1 {
			continue
		}
		k, part, code := Kernel{}, "", Code{}
		at := []any{&k.Arch, &k.Name, &k.Registers, &k.Shared, &part}
		for _, n := range code.columns() {
			at = append(at, n)
		}
		if n, err := fmt.Sscan(line, at...); err != nil || n != len(at) {
			return nil, fmt.Errorf("machine table, line %d: %d of %d fields: %w", number, n, len(at), err)
		}
		key := machine{k.Arch, k.Name}
		if all[key] == nil {
			all[key] = &k
		}
		found := false
		for _, p := range all[key].parts() {
			if p.name == part {
				*p.code, found = code, true
			}
		}
		if !found {
			return nil, fmt.Errorf("machine table, line %d: there is no part %q", number, part)
		}
	}
	if t.Compiler == "" {
		return nil, fmt.Errorf("machine table: it names no compiler")
	}
	return t, nil
}

type machine struct {
	arch int
	name string
}

//go:embed machine.txt
var committed string

var table = sync.OnceValue(func() *Table {
	t, err := ParseTable(committed)
	if err != nil {
		panic(err)
	}
	return t
})

// Compiler is the version whose machine code the committed table is of.
func Compiler() string { return table().Compiler }

// Architectures are those that the table must have, of the cards.
func Architectures() (all []int) {
	for _, c := range cards {
		if !slices.Contains(all, c.Compute) {
			all = append(all, c.Compute)
		}
	}
	slices.Sort(all)
	return all
}

// KernelOn is the counts of a kernel for an architecture, 90 for sm_90.
func KernelOn(arch int, name string) (*Kernel, error) {
	if k := table().Kernel(arch, name); k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("the table of machine code has no kernel %s for sm_%d: it is older than the kernels (make predict-table)", name, arch)
}
