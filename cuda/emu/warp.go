package emu

import (
	"fmt"
	"iter"
	"math/bits"

	"voxgrad/cuda/driver"
)

// warp is 32 lanes that execute together. Lanes that diverge at a branch run one
// side after the other and meet again at the branch's immediate post-dominator:
// pc, rpc and active are the side that runs, stack holds those that wait.
type warp struct {
	r32 []reg32
	r64 []reg64
	p   []uint32 // predicates, a bit for each lane
	cc  uint32   // carry

	m      uint32 // lanes that execute the current instruction
	active uint32 // lanes of the side that runs
	live   uint32 // lanes that have not exited
	all    uint32 // lanes that exist
	pc     int32
	rpc    int32 // where this side meets the others; -1 for none
	stack  []frame

	id      int
	b       *block
	left    int64 // instructions until the kernel counts as a runaway
	waits   bool  // at a barrier
	reduce  *inst // the bar.red that waits for its result
	addr    reg64
	clock   []uint32 // what this warp knows of every warp's time; clock[id] is its own
	local   []byte   // lane after lane
	written []byte   // shadow of local
	copies  []copying
	group   [32]int // the group that a lane's next copy belongs to
}

// frame is a side of a branch that waits.
type frame struct {
	pc, rpc int32
	m       uint32
}

// quantum is how long a warp runs before the others run, so that one that
// waits for another without a barrier does not hang the block.
const quantum = 1 << 14

// run executes until a barrier, the end or the quantum is used up.
func (w *warp) run() {
	code := w.b.k.code
	prof := w.b.prof
	for n := quantum; n > 0 && w.live != 0 && !w.waits; n-- {
		in := &code[w.pc]
		m := w.active
		if in.guard >= 0 {
			if p := w.p[in.guard]; in.not {
				m &^= p
			} else {
				m &= p
			}
		}
		w.m = m
		c := &prof[w.pc]
		c.warps++
		c.lanes += uint64(bits.OnesCount32(m))
		switch in.kind {
		case kLane32:
			w.pc++
			r := w.r32
			if m == allLanes {
				in.l32(in, &r[in.d], &r[in.a], &r[in.b], &r[in.c])
			} else if m != 0 {
				in.l32(in, &r[0], &r[in.a], &r[in.b], &r[in.c])
				merge32(&r[in.d], &r[0], m)
			}
		case kLane64:
			w.pc++
			r := w.r64
			if m == allLanes {
				in.l64(in, &r[in.d], &r[in.a], &r[in.b], &r[in.c])
			} else if m != 0 {
				in.l64(in, &r[0], &r[in.a], &r[in.b], &r[in.c])
				merge64(&r[in.d], &r[0], m)
			}
		case kPure32:
			w.pc++
			if m == allLanes {
				in.fn(w, in, in.d)
			} else if m != 0 {
				in.fn(w, in, 0)
				merge32(&w.r32[in.d], &w.r32[0], m)
			}
		case kPure64:
			w.pc++
			if m == allLanes {
				in.fn(w, in, in.d)
			} else if m != 0 {
				in.fn(w, in, 0)
				merge64(&w.r64[in.d], &w.r64[0], m)
			}
		case kSelf:
			if m != 0 {
				in.fn(w, in, in.d)
			}
			w.pc++
		case kBranch:
			w.branch(in, m)
		case kTable:
			w.branchTable(in, m)
		case kExit:
			w.exit(m)
		case kBarrier:
			if m != 0 {
				in.fn(w, in, in.d)
			}
			w.pc++
		}
		if w.pc == w.rpc {
			w.pop()
		}
		if w.left--; w.left < 0 {
			w.pc = min(w.pc, int32(len(code)-1))
			w.fault(&code[w.pc], Runaway, "more than %d instructions in one warp", w.b.k.mod.d.opt.budget)
		}
	}
}

// lanes are the lanes in m, in ascending order. The most frequent instructions loop over the bits themselves.
func lanes(m uint32) iter.Seq[int] {
	return func(yield func(int) bool) {
		for ; m != 0 && yield(bits.TrailingZeros32(m)&31); m &= m - 1 {
		}
	}
}

// get reads n bits of lane l.
func (w *warp) get(s int32, n, l int) uint64 {
	if n == 64 {
		return w.r64[s][l&31]
	}
	return uint64(w.r32[s][l&31])
}

// put writes n bits of lane l.
func (w *warp) put(d int32, n, l int, v uint64) {
	if n == 64 {
		w.r64[d][l&31] = v
	} else {
		w.r32[d][l&31] = uint32(v)
	}
}

// setPred writes lane l of a predicate.
func (w *warp) setPred(p int32, l int, v bool) {
	w.p[p] &^= 1 << l
	if v {
		w.p[p] |= 1 << l
	}
}

// merge copies the lanes m.
func merge[T uint32 | uint64](d, s *[32]T, m uint32) {
	for ; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		d[i] = s[i]
	}
}

// pop takes up the side that waits on top.
func (w *warp) pop() {
	for len(w.stack) > 0 {
		f := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		if m := f.m & w.live; m != 0 {
			w.pc, w.rpc, w.active = f.pc, f.rpc, m
			return
		}
	}
	w.active, w.rpc = 0, -1
}

// branch sends the lanes m to the target.
func (w *warp) branch(in *inst, m uint32) {
	switch m {
	case 0:
		w.pc++
		return
	case w.active:
		w.pc = in.to
		return
	}
	if in.flags&fUni != 0 {
		w.fault(in, BadBranch, "bra.uni where threads of a warp disagree")
	}
	w.b.stats.DivergentBranches++
	if in.rpc != w.rpc {
		w.stack = append(w.stack, frame{in.rpc, w.rpc, w.active})
	}
	if next := w.pc + 1; next != in.rpc {
		w.stack = append(w.stack, frame{next, in.rpc, w.active &^ m})
	}
	if in.to == in.rpc {
		w.pop()
		return
	}
	w.pc, w.rpc, w.active = in.to, in.rpc, m
}

// branchTable sends each lane of m to its target of the table.
func (w *warp) branchTable(in *inst, m uint32) {
	if m == 0 {
		w.pc++
		return
	}
	if in.rpc != w.rpc {
		w.stack = append(w.stack, frame{in.rpc, w.rpc, w.active})
	}
	if rest := w.active &^ m; rest != 0 && w.pc+1 != in.rpc {
		w.stack = append(w.stack, frame{w.pc + 1, in.rpc, rest})
	}
	index := &w.r32[in.a]
	for i, to := range in.table {
		var side uint32
		for s := m; s != 0; s &= s - 1 {
			if l := bits.TrailingZeros32(s); index[l&31] == uint32(i) {
				side |= 1 << l
			}
		}
		if m &^= side; side != 0 && to != in.rpc {
			w.stack = append(w.stack, frame{to, in.rpc, side})
		}
	}
	if m != 0 {
		l := bits.TrailingZeros32(m)
		w.faultLane(in, l, BadBranch, "index %d of a table of %d targets", index[l&31], len(in.table))
	}
	w.pop()
}

// exit ends the lanes m.
func (w *warp) exit(m uint32) {
	w.live &^= m
	w.active &^= m
	w.pc++
	if w.active == 0 {
		w.pop()
	}
}

// fault reports for the first executing lane.
func (w *warp) fault(in *inst, kind Kind, format string, a ...any) {
	m := w.m
	if m == 0 {
		m = w.active
	}
	if m == 0 {
		m = w.all
	}
	w.faultLane(in, bits.TrailingZeros32(m), kind, format, a...)
}

// faultLane stops the kernel.
func (w *warp) faultLane(in *inst, lane int, kind Kind, format string, a ...any) {
	pc := w.b.k.index(in)
	s := w.b.k.src[pc]
	panic(panicFault{&Fault{
		Kind: kind, Kernel: w.b.k.entry.Name, Line: s.line, Text: s.text, Launch: w.b.l.launch,
		Block: w.b.at, Thread: w.thread(lane), Detail: fmt.Sprintf(format, a...),
	}})
}

// index finds an instruction of this kernel.
func (k *kernel) index(in *inst) int {
	for i := range k.code {
		if &k.code[i] == in {
			return i
		}
	}
	return 0
}

// thread is the threadIdx of a lane.
func (w *warp) thread(lane int) driver.Dim { return w.b.threadAt(w.id*32 + lane) }

func (b *block) threadAt(t int) driver.Dim {
	d := b.l.launch.Block
	return driver.Dim{X: t % d.X, Y: t / d.X % d.Y, Z: t / (d.X * d.Y)}
}

// lanesOf is a special register's value in each lane.
type lanesOf struct {
	perBlock bool // changes from block to block
	value    func(w *warp, lane int) uint64
}

// specials are the special registers. %smid is 0 and %warpid the warp's place in
// the block, which hardware does not promise.
var specials = map[string]lanesOf{
	"%tid.x":    {false, func(w *warp, l int) uint64 { return uint64(w.thread(l).X) }},
	"%tid.y":    {false, func(w *warp, l int) uint64 { return uint64(w.thread(l).Y) }},
	"%tid.z":    {false, func(w *warp, l int) uint64 { return uint64(w.thread(l).Z) }},
	"%ntid.x":   {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Block.X) }},
	"%ntid.y":   {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Block.Y) }},
	"%ntid.z":   {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Block.Z) }},
	"%ctaid.x":  {true, func(w *warp, _ int) uint64 { return uint64(w.b.at.X) }},
	"%ctaid.y":  {true, func(w *warp, _ int) uint64 { return uint64(w.b.at.Y) }},
	"%ctaid.z":  {true, func(w *warp, _ int) uint64 { return uint64(w.b.at.Z) }},
	"%nctaid.x": {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Grid.X) }},
	"%nctaid.y": {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Grid.Y) }},
	"%nctaid.z": {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Grid.Z) }},
	"%laneid":   {false, func(_ *warp, l int) uint64 { return uint64(l) }},
	"%warpid":   {false, func(w *warp, _ int) uint64 { return uint64(w.id) }},
	"%nwarpid":  {false, func(w *warp, _ int) uint64 { return uint64(len(w.b.warps)) }},
	"%smid":     {false, func(*warp, int) uint64 { return 0 }},
	"%nsmid":    {false, func(*warp, int) uint64 { return 1 }},
	"%gridid":   {false, func(*warp, int) uint64 { return 0 }},

	"%lanemask_eq": {false, func(_ *warp, l int) uint64 { return 1 << l }},
	"%lanemask_lt": {false, func(_ *warp, l int) uint64 { return 1<<l - 1 }},
	"%lanemask_le": {false, func(_ *warp, l int) uint64 { return 2<<l - 1 }},
	"%lanemask_gt": {false, func(_ *warp, l int) uint64 { return uint64(allLanes &^ (2<<l - 1)) }},
	"%lanemask_ge": {false, func(_ *warp, l int) uint64 { return uint64(allLanes &^ (1<<l - 1)) }},

	"%dynamic_smem_size": {false, func(w *warp, _ int) uint64 { return uint64(w.b.l.launch.Shared) }},
	"%total_smem_size":   {false, func(w *warp, _ int) uint64 { return uint64(len(w.b.shared)) }},
}

// fillSpecials fills the slots of special registers: those of the block, or those
// that stay.
func (w *warp) fillSpecials(perBlock bool) {
	for _, s := range w.b.k.specials {
		v := specials[s.name]
		if v.perBlock != perBlock {
			continue
		}
		for l := range 32 {
			if s.class == class64 {
				w.r64[s.slot][l] = v.value(w, l)
			} else {
				w.r32[s.slot][l] = uint32(v.value(w, l))
			}
		}
	}
}
