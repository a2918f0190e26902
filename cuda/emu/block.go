package emu

import (
	"voxgrad/cuda/driver"
)

// lanes of a register.
type (
	reg32 = [32]uint32
	reg64 = [32]uint64
)

const allLanes = ^uint32(0)

// op executes an instruction for the lanes w.m. d is the slot of the result.
//
// Instructions of kind kPure32 and kPure64 compute all 32 lanes without regard
// to w.m; the warp hands them a scratch slot and copies the executing lanes when
// some are not. So it is for kLane32 and kLane64, whose functions see nothing but
// registers of one class. All others look at w.m themselves.
type (
	op     func(w *warp, in *inst, d int32)
	lane32 = func(in *inst, d, a, b, c *reg32)
	lane64 = func(in *inst, d, a, b, c *reg64)
)

type instKind uint8

const (
	kLane32 instKind = iota
	kLane64
	kPure32
	kPure64
	kSelf    // its function masks lanes itself
	kBranch  // lanes may diverge
	kTable   // brx.idx
	kExit    // lanes end
	kBarrier // may suspend the warp
)

// inst is a decoded instruction: operands are slots of register files, constants
// and kernel parameters too.
type inst struct {
	l32   lane32
	l64   lane64
	fn    op
	kind  instKind
	not   bool // @!p
	guard int32
	d     int32
	a     int32
	b     int32
	c     int32
	e     int32 // a fourth operand or a second result
	flags flag
	n     uint8 // bytes of a memory element, bits of a type
	total uint8 // bytes of a memory access: n times len(v)
	sub   uint8 // what the function makes of it: rounding mode, comparison, table
	imm   int64 // offset of an address
	v     []int32
	wide  bool // v are 64-bit slots
	cache int32
	space space
	to    int32 // target of a branch
	rpc   int32 // where lanes meet again
	table []int32
	flops uint8 // floating-point operations of a lane
}

type flag uint16

const (
	fFTZ flag = 1 << iota
	fSat
	fSigned
	fNaN
	fAddr64 // the address register has 64 bits
	fStore
	fHasAddr  // there is an address register
	fResult   // somebody wants the result
	fUni      // bra.uni
	fNotC     // the predicate c is negated
	fVolatile // volatile or ordered: other threads may write it
)

type space uint8

const (
	spGeneric space = iota
	spGlobal
	spShared
	spLocal
	spConst
	spParam
)

// source is where an instruction comes from, for reports.
type source struct {
	line int
	text string
	fn   string
}

// constant slots of a kernel, filled when a warp is made.
type const32 struct {
	slot int32
	v    uint32
}

type const64 struct {
	slot int32
	v    uint64
}

// paramSlot is a slot filled with a kernel argument at launch.
type paramSlot struct {
	slot   int32
	class  class
	off    int  // byte in the argument slots
	n      int  // bytes
	signed bool // extend with the sign
}

// specialSlot is a slot filled with a special register.
type specialSlot struct {
	slot  int32
	class class
	name  string
}

// kernel is a decoded entry.
type kernel struct {
	mod      *module
	entry    driver.Entry
	code     []inst
	src      []source
	n        [3]int // slots of each class
	c32      []const32
	c64      []const64
	args     []paramSlot
	specials []specialSlot
	zero     [3][]int32
	truth    []int32 // predicate slots that are true
	caches   int
	granule  uint
	partial  bool // some barrier waits for a part of the block
	local    int64
}

// Name is the name of the entry.
func (k *kernel) Name() string { return k.entry.Name }

// block is a block that runs, made once for each goroutine of a launch and used for
// one block after another.
type block struct {
	k     *kernel
	l     *launch
	index int
	at    driver.Dim // blockIdx
	warps []*warp
	bars  [16]barrier

	shared []byte
	cells  []cell // shadow of shared memory
	epoch  uint32 // completed barriers of all threads, never 0
	races  bool
	cache  []*allocation

	prof  []count
	stats Stats
}

// count is how often an instruction was executed.
type count struct{ warps, lanes uint64 }

func newBlock(l *launch) *block {
	k := l.k
	threads := l.launch.Block.Count()
	b := &block{k: k, l: l, races: k.mod.d.opt.races, prof: make([]count, len(k.code)), cache: make([]*allocation, k.caches)}
	for i := range b.cache {
		b.cache[i] = &allocation{}
	}
	b.shared = aligned(uint64(k.entry.Static + l.launch.Shared))
	if len(b.shared) > 0 {
		b.cells = make([]cell, (len(b.shared)-1)>>k.granule+1)
	}
	n := (threads + 31) / 32
	for id := range n {
		w := &warp{id: id, b: b, r32: make([]reg32, k.n[class32]), r64: make([]reg64, k.n[class64]), p: make([]uint32, k.n[classP]),
			all: allLanes, clock: make([]uint32, n)}
		if rest := threads - 32*id; rest < 32 {
			w.all = 1<<rest - 1
		}
		w.local = aligned(32 * uint64(k.local))
		w.written = make([]byte, len(w.local))
		w.constants()
		b.warps = append(b.warps, w)
	}
	return b
}

// constants fills the slots that no instruction writes and that are the same in
// all blocks.
func (w *warp) constants() {
	k := w.b.k
	for _, c := range k.c32 {
		broadcast32(&w.r32[c.slot], c.v)
	}
	for _, c := range k.c64 {
		broadcast64(&w.r64[c.slot], c.v)
	}
	for _, a := range k.args {
		v := w.b.l.arg(a)
		if a.class == class64 {
			broadcast64(&w.r64[a.slot], v)
		} else {
			broadcast32(&w.r32[a.slot], uint32(v))
		}
	}
	for _, s := range k.truth {
		w.p[s] = allLanes
	}
	w.fillSpecials(false)
}

func broadcast32(r *reg32, v uint32) {
	for i := range r {
		r[i] = v
	}
}

func broadcast64(r *reg64, v uint64) {
	for i := range r {
		r[i] = v
	}
}

// blockAt is the blockIdx of a block.
func (b *block) blockAt(index int) driver.Dim {
	g := b.l.launch.Grid
	return driver.Dim{X: index % g.X, Y: index / g.X % g.Y, Z: index / (g.X * g.Y)}
}

// reset makes the block ready for block index of the grid.
func (b *block) reset(index int) {
	b.index, b.at = index, b.blockAt(index)
	b.epoch = 1
	b.bars = [16]barrier{}
	clear(b.cells)
	for _, w := range b.warps {
		w.live, w.active, w.pc, w.rpc, w.stack, w.waits = w.all, w.all, 0, -1, w.stack[:0], false
		w.left = b.k.mod.d.opt.budget
		w.cc = 0
		for i := range w.clock {
			w.clock[i] = 0
		}
		w.clock[w.id] = 1
		clear(w.written)
		w.copies, w.group = w.copies[:0], [32]int{}
		for _, s := range b.k.zero[class32] {
			w.r32[s] = reg32{}
		}
		for _, s := range b.k.zero[class64] {
			w.r64[s] = reg64{}
		}
		for _, s := range b.k.zero[classP] {
			w.p[s] = 0
		}
		w.fillSpecials(true)
	}
}

// run executes block index to its end and returns the fault that stopped it.
func (b *block) run(index int) (f *Fault) {
	defer func() {
		if r := recover(); r != nil {
			p, ok := r.(panicFault)
			if !ok {
				panic(r)
			}
			f = p.f
		}
	}()
	b.reset(index)
	for {
		ran, waiting := false, (*warp)(nil)
		for _, w := range b.warps {
			if w.live == 0 {
				continue
			}
			if w.waits {
				waiting = w
				continue
			}
			w.run()
			ran = true
		}
		if !ran && waiting != nil {
			b.stuck(waiting)
		}
		if !ran {
			return nil
		}
	}
}
