package emu

import (
	"math/bits"
	"slices"
	"sort"

	"voxgrad/cuda/ptx"
)

// Registers of PTX are many and mostly short-lived. They are packed into few slots
// by linear scan over their live ranges, so that a warp's registers stay in the
// cache. Lanes that diverged may hold different registers in one slot: each
// lane has a column of its own and writes touch executing lanes only.

type class uint8

const (
	class32 class = iota // 32, 16 and 8 bits
	class64
	classP
)

func classOf(t ptx.Type) class {
	switch t.Bits() {
	case 1:
		return classP
	case 64:
		return class64
	}
	return class32
}

// hasResult reports whether the first operand is written.
func hasResult(in *ptx.Instruction) bool {
	switch in.Op {
	case "st", "red", "bra", "brx", "ret", "exit", "trap", "brkpt", "membar", "fence", "prefetch", "prefetchu",
		"nanosleep", "cp", "pmevent", "discard", "applypriority", "stmatrix":
		return false
	case "bar", "barrier":
		return len(in.Args) > 0 && slices.Contains(in.Mods, "red")
	}
	return len(in.Args) > 0
}

// visitRegs calls use and def for the registers an instruction reads and writes.
func visitRegs(in *ptx.Instruction, use, def func(r int)) {
	if in.Guard >= 0 {
		use(in.Guard)
	}
	var walk func(o *ptx.Operand, f func(int))
	walk = func(o *ptx.Operand, f func(int)) {
		if o.Kind == ptx.KReg {
			f(o.Reg)
		}
		if o.Kind == ptx.KAddr {
			f = use
		}
		for i := range o.Elems {
			walk(&o.Elems[i], f)
		}
		if o.Second != nil {
			walk(o.Second, f)
		}
	}
	result := 0
	if hasResult(in) {
		result = 1
	}
	for i := range in.Args[result:] {
		walk(&in.Args[result+i], use)
	}
	if result > 0 { // last: an instruction reads before it writes
		walk(&in.Args[0], def)
	}
}

type bitset []uint64

func (s bitset) has(i int) bool { return s[i>>6]>>(i&63)&1 != 0 }
func (s bitset) set(i int)      { s[i>>6] |= 1 << (i & 63) }
func (s bitset) clear(i int)    { s[i>>6] &^= 1 << (i & 63) }

func (s bitset) each(f func(i int)) {
	for w, v := range s {
		for ; v != 0; v &= v - 1 {
			f(w<<6 + bits.TrailingZeros64(v))
		}
	}
}

// liveIn finds the registers each block needs from before it. A guarded write
// does not end a live range: the old value may stay.
func liveIn(fl *flat, g *flowGraph) []bitset {
	n, words := len(g.succ), (len(fl.regs)+63)/64
	in, uses, defs := make([]bitset, n), make([]bitset, n), make([]bitset, n)
	for b := range n {
		in[b], uses[b], defs[b] = make(bitset, words), make(bitset, words), make(bitset, words)
		for i := g.first[b]; i < g.last[b]; i++ {
			ins := &fl.code[i]
			visitRegs(ins, func(r int) {
				if !defs[b].has(r) {
					uses[b].set(r)
				}
			}, func(r int) {
				if ins.Guard < 0 {
					defs[b].set(r)
				}
			})
		}
		copy(in[b], uses[b])
	}
	for changed := true; changed; {
		changed = false
		for b := n - 1; b >= 0; b-- {
			for _, s := range g.succ[b] {
				for w := range words {
					if v := in[b][w] | in[s][w]&^defs[b][w]; v != in[b][w] {
						in[b][w], changed = v, true
					}
				}
			}
		}
	}
	return in
}

// slots is the place of each register in the file of its class.
type slots struct {
	of    []int32
	count [3]int
	zero  [3][]int32 // read on some path before anything wrote them
}

// assignSlots packs registers into slots. Slot 0 of each class is scratch.
func assignSlots(fl *flat, g *flowGraph) *slots {
	nr := len(fl.regs)
	from, to := make([]int, nr), make([]int, nr)
	for r := range from {
		from[r] = -1
	}
	touch := func(r, at int) {
		if from[r] < 0 {
			from[r], to[r] = at, at
		}
		from[r], to[r] = min(from[r], at), max(to[r], at)
	}
	in := liveIn(fl, g)
	for b := range g.succ {
		in[b].each(func(r int) { touch(r, g.first[b]) })
		for i := g.first[b]; i < g.last[b]; i++ {
			visitRegs(&fl.code[i], func(r int) { touch(r, i) }, func(r int) { touch(r, i) })
		}
		for _, s := range g.succ[b] {
			in[s].each(func(r int) { touch(r, g.last[b]-1) })
		}
	}
	order := make([]int, 0, nr)
	for r := range nr {
		if from[r] >= 0 {
			order = append(order, r)
		}
	}
	sort.SliceStable(order, func(i, j int) bool { return from[order[i]] < from[order[j]] })
	s := &slots{of: make([]int32, nr), count: [3]int{1, 1, 1}}
	var free [3][]int32
	ends := make([][]int, len(fl.code)+2) // registers whose range ends there
	done := 0
	for _, r := range order {
		for ; done < from[r]; done++ {
			for _, e := range ends[done] {
				c := classOf(fl.regs[e].Type)
				free[c] = append(free[c], s.of[e])
			}
		}
		c := classOf(fl.regs[r].Type)
		if n := len(free[c]); n > 0 {
			s.of[r], free[c] = free[c][n-1], free[c][:n-1]
		} else {
			s.of[r] = int32(s.count[c])
			s.count[c]++
		}
		ends[to[r]] = append(ends[to[r]], r)
	}
	if len(in) > 0 {
		in[0].each(func(r int) {
			c := classOf(fl.regs[r].Type)
			s.zero[c] = append(s.zero[c], s.of[r])
		})
	}
	return s
}
