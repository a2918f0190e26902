package emu

import "voxgrad/cuda/driver"

// lanes of a register.
type (
	reg32 = [32]uint32
	reg64 = [32]uint64
)

const allLanes = ^uint32(0)

// op executes an instruction for the lanes w.m. d is the slot of the result.
//
// Instructions of kind kPure32 and kPure64 compute all 32 lanes without regard
// to w.m; the warp gives them a scratch slot and copies the executing lanes when
// some are not. So it is for kLane32 and kLane64, whose functions see nothing but
// registers of one class. All others look at w.m themselves.
type (
	op     func(w *warp, in *inst, d int32)
	lane32 func(in *inst, d, a, b, c *reg32)
	lane64 func(in *inst, d, a, b, c *reg64)
)

type instKind uint8

const (
	kLane32 instKind = iota
	kLane64
	kPure32
	kPure64
	kSelf    // its function masks lanes itself
	kBranch  // may send lanes apart
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

// source says where an instruction comes from, for reports.
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
