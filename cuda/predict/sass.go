package predict

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"voxgrad/cuda/launches"
)

var (
	sassFunc  = regexp.MustCompile(`^\.text\.(\w+):`)
	sassLabel = regexp.MustCompile(`^(\.L_x_\d+):`)
	sassLine  = regexp.MustCompile(`^\s+/\*[0-9a-f]+\*/\s+(?:@!?\w+ +)?([A-Z0-9_.]+)(.*);`)
	sassJump  = regexp.MustCompile("`\\((\\.L_x_\\d+)\\)")
)

// FromSASS counts a listing of nvdisasm -c, of an architecture (90 for sm_90). Registers and Shared are left 0.
func FromSASS(arch int, listing string) ([]Kernel, error) {
	type function struct {
		name   string
		code   []Code
		jumps  map[int]string // from an instruction
		labels map[string]int // of the instruction behind
	}
	var all []*function
	for line := range strings.Lines(listing) {
		if m := sassFunc.FindStringSubmatch(line); m != nil {
			all = append(all, &function{name: m[1], jumps: map[int]string{}, labels: map[string]int{}})
			continue
		}
		if len(all) == 0 {
			continue
		}
		f := all[len(all)-1]
		if m := sassLabel.FindStringSubmatch(line); m != nil {
			f.labels[m[1]] = len(f.code)
		} else if m := sassLine.FindStringSubmatch(line); m != nil {
			if j := sassJump.FindStringSubmatch(m[2]); j != nil && strings.HasPrefix(m[1], "BRA") {
				f.jumps[len(f.code)] = j[1]
			}
			f.code = append(f.code, instruction(m[1]))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("a listing without a function: it is not of nvdisasm -c")
	}
	var kernels []Kernel
	for _, f := range all {
		var loops []span
		for from, label := range f.jumps {
			if to, ok := f.labels[label]; ok && to <= from && from > to { // a jump to itself is behind the end
				loops = append(loops, span{to, from + 1})
			}
		}
		k := Kernel{Arch: arch, Name: f.name}
		k.split(f.code, loops)
		kernels = append(kernels, k)
	}
	return kernels, nil
}

// span is instructions from, …, to-1.
type span struct{ from, to int }

func (s span) holds(o span) bool { return s != o && s.from <= o.from && o.to <= s.to }

// split shares out the code of a kernel.
func (k *Kernel) split(code []Code, loops []span) {
	inner := func(s span) bool {
		for _, o := range loops {
			if s.holds(o) {
				return false
			}
		}
		return true
	}
	sum := func(s span) (c Code) {
		for _, i := range code[s.from:s.to] {
			c.add(i)
		}
		return c
	}
	product := launches.Launch{Kernel: k.Name}.Multiplies()
	best, most := span{}, 0
	copies, mostCopies := span{}, 0
	for _, s := range loops {
		if !inner(s) {
			continue
		}
		c := sum(s)
		weight := c.Loaded + c.Stored
		if product {
			weight = c.FFMA + 1000*c.MMA
		}
		// Of equal loops the first in the code, whatever the order they were found in.
		if weight > most || weight == most && weight > 0 && s.from < best.from {
			best, most = s, weight
		}
		copied := 0 // bytes
		if c.MMA == 0 && c.FFMA == 0 && (c.LDGSTS > 0 || product && c.LDG > 0 && c.STS > 0) {
			copied = c.Loaded
		}
		if copied > mostCopies || copied == mostCopies && copied > 0 && s.from < copies.from {
			copies, mostCopies = s, copied
		}
	}
	k.Loop = sum(best)
	if copies != best {
		k.Copy = sum(copies)
	}
	for i, c := range code {
		at := span{i, i + 1}
		in, around := 0, false
		for _, s := range loops {
			if s.holds(at) || s == at {
				in++
				around = around || s.holds(best)
			}
		}
		switch {
		case in == 0:
			k.Straight.add(c)
		case most > 0 && around && !(best.from <= i && i < best.to) && !innerLoop(loops, best, i):
			k.Outer.add(c)
		}
	}
}

// innerLoop reports whether instruction i is in a loop that is not around the main one.
func innerLoop(loops []span, best span, i int) bool {
	for _, s := range loops {
		if s.from <= i && i < s.to && !s.holds(best) && s != best {
			return true
		}
	}
	return false
}

func (c *Code) add(o Code) {
	from := o.columns()
	for i, n := range c.columns() {
		*n += *from[i]
	}
}

// instruction counts one, by its name with modifiers.
func instruction(name string) Code {
	c := Code{Instructions: 1}
	op, mods, _ := strings.Cut(name, ".")
	bytes := 4
	for mod := range strings.SplitSeq(mods, ".") {
		switch mod {
		case "128":
			bytes = 16
		case "64":
			bytes = 8
		case "U8", "S8":
			bytes = 1
		case "U16", "S16":
			bytes = 2
		}
	}
	// Lanes of our kernels share the words of wide loads: 16 bytes a lane are two passes, not four.
	switch op {
	case "HMMA":
		c.MMA, c.MMAFlops = 1, mmaFlops(mods)
	case "FFMA":
		c.FFMA = 1
	case "DADD", "DMUL", "DFMA", "DSETP":
		c.FP64 = 1
	case "MUFU":
		c.MUFU = 1
	case "LDG":
		c.LDG, c.Loaded = 1, bytes
	case "STG":
		c.STG, c.Stored = 1, bytes
	case "LDS":
		c.LDS, c.Passes = 1, max(1, bytes/8)
	case "STS":
		c.STS, c.Passes = 1, max(1, bytes/4)
	case "LDSM":
		c.LDS, c.Passes = 1, 1
		if n, err := strconv.Atoi(mods[len(mods)-1:]); err == nil && strings.HasSuffix(mods, "."+strconv.Itoa(n)) {
			c.Passes = n
		}
	case "LDGSTS":
		c.LDGSTS, c.Loaded, c.Passes = 1, bytes, bytes/4
	}
	return c
}

// mmaFlops is what HMMA.16816.F32.BF16 does: 2·16·8·16.
func mmaFlops(mods string) int {
	shape, _, _ := strings.Cut(mods, ".")
	if rest, ok := strings.CutPrefix(shape, "168"); ok {
		if k, err := strconv.Atoi(rest); err == nil {
			return 2 * 16 * 8 * k
		}
	}
	return 0
}
