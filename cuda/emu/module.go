package emu

import (
	"cmp"
	"fmt"
	"slices"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/ptx"
)

// maxLocal is the local memory of a thread, as on hardware.
const maxLocal = 512 << 10

// module is loaded PTX.
type module struct {
	d       *Device
	parsed  *ptx.Module
	kernels map[string]*kernel
	vars    map[*ptx.Var]*allocation
}

// Load parses and decodes PTX. A *LoadError names every instruction the emulator
// refuses: unknown ones and floating-point atomics.
func (d *Device) Load(text string) (driver.Module, error) {
	p, err := ptx.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return nil, err
	}
	m := &module{d, p, map[string]*kernel{}, map[*ptx.Var]*allocation{}}
	var problems []Problem
	vars := slices.Clone(p.Vars)
	for _, f := range p.Funcs {
		vars = append(vars, f.Vars...)
	}
	m.place(vars, &problems)
	for _, f := range p.Entries() {
		m.kernels[f.Name] = m.compile(p, f, &problems)
	}
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &LoadError{problems}
	}
	return m, nil
}

// place allocates the variables in global and constant memory.
func (m *module) place(vars []*ptx.Var, problems *[]Problem) {
	byName := map[string]*allocation{}
	for _, v := range vars {
		if v.Space != ptx.Global && v.Space != ptx.Const {
			continue
		}
		if v.Extern || v.Size == 0 {
			*problems = append(*problems, Problem{Unsupported, v.Name, v.Line, v.Name, "variable without a size in this module"})
			continue
		}
		if v.Size > m.d.opt.memory-m.d.used {
			*problems = append(*problems, Problem{Unsupported, v.Name, v.Line, v.Name, fmt.Sprintf("%d bytes, %d of the device's %d are free", v.Size, m.d.opt.memory-m.d.used, m.d.opt.memory)})
			continue
		}
		m.d.used += v.Size
		a := m.d.allocate(uint64(v.Size))
		a.name, a.fixed, a.ro = v.Name, true, v.Space == ptx.Const
		fill(a.data, 0) // what has no initial value is 0
		copy(a.data, v.Init)
		fill(a.shadow, 1)
		m.vars[v], byName[v.Name] = a, a
	}
	for _, v := range vars {
		for _, r := range v.Refs {
			a := byName[r.Name]
			if a == nil {
				*problems = append(*problems, Problem{Unsupported, v.Name, v.Line, r.Name, "address of this name as an initial value"})
				continue
			}
			put64(m.vars[v].data[r.Off:], a.base+uint64(r.Add))
		}
	}
}

// Kernel finds an entry by name.
func (m *module) Kernel(name string) (driver.Kernel, error) {
	if _, err := driver.EntryIn(m.parsed, name); err != nil {
		return nil, fmt.Errorf("emulator: %w", err)
	}
	return m.kernels[name], nil
}

// compile decodes an entry.
func (m *module) compile(p *ptx.Module, f *ptx.Func, problems *[]Problem) *kernel {
	k := &kernel{mod: m, entry: driver.EntryOf(f), granule: 2}
	fl := flatten(p, f, problems)
	refuse := func(format string, a ...any) *kernel {
		*problems = append(*problems, Problem{Unsupported, f.Name, f.Line, f.Name, fmt.Sprintf(format, a...)})
		return k
	}
	if fl.local > maxLocal {
		return refuse("%d bytes of local memory a thread, the limit is %d", fl.local, maxLocal)
	}
	g := makeGraph(fl.code)
	if len(g.succ)*len(fl.regs)/64 > maxLive {
		return refuse("%d registers in %d basic blocks are too many", len(fl.regs), len(g.succ))
	}
	c := &compiler{m: m, fl: fl, g: g, ipd: g.postDominators(), sl: assignSlots(fl, g), k: k,
		k32: map[uint32]int32{}, k64: map[uint64]int32{}, spc: map[specialSlot]int32{}, prm: map[paramSlot]int32{},
		shm: map[*ptx.Var]int64{}}
	k.n, k.zero, k.local = c.sl.count, c.sl.zero, fl.local
	c.placeShared(p)
	c.decode(problems)
	if n := k.n[class32] + k.n[class64] + k.n[classP]; n > maxSlots {
		return refuse("%d registers and constants at once, the limit is %d", n, maxSlots)
	}
	return k
}

// placeShared lays out static shared memory, the dynamic part behind it. Only
// what the kernel or a function it calls names takes room.
func (c *compiler) placeShared(p *ptx.Module) {
	var static, dynamic []*ptx.Var
	seen := map[*ptx.Var]bool{}
	var walk func(os []ptx.Operand)
	walk = func(os []ptx.Operand) {
		for i := range os {
			if v := os[i].Var; v != nil && v.Space == ptx.Shared && !seen[v] {
				seen[v] = true
				if v.Size == 0 {
					dynamic = append(dynamic, v)
				} else {
					static = append(static, v)
				}
			}
			walk(os[i].Elems)
		}
	}
	for i := range c.fl.code {
		walk(c.fl.code[i].Args)
	}
	var end int64
	for _, v := range static {
		end = alignUp(end, int64(v.Align))
		c.shm[v] = end
		end += v.Size
	}
	for _, v := range dynamic {
		end = alignUp(end, max(int64(v.Align), 16))
	}
	for _, v := range dynamic {
		c.shm[v] = end
	}
	c.k.entry.Static = int(end) // padded to where the dynamic part begins
}

func alignUp(n, a int64) int64 { return (n + a - 1) &^ (a - 1) }
