package emu

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"voxgrad/cuda/ptx"
)

// compiler decodes one kernel.
type compiler struct {
	m    *module
	fl   *flat
	g    *flowGraph
	ipd  []int
	sl   *slots
	k    *kernel
	in   *ptx.Instruction
	mods []string // modifiers nobody read yet

	k32 map[uint32]int32
	k64 map[uint64]int32
	spc map[specialSlot]int32
	prm map[paramSlot]int32
	shm map[*ptx.Var]int64 // offsets of the kernel's shared variables
}

// refused is what decoding of one instruction panics with.
type refused struct{ kind, why string }

func (c *compiler) refuse(format string, a ...any) {
	panic(refused{Unsupported, fmt.Sprintf(format, a...)})
}

func (c *compiler) unknown() {
	panic(refused{UnknownOpcode, "the emulator does not know " + c.in.Opcode()})
}

// take removes a modifier if it is there.
func (c *compiler) take(name string) bool {
	i := slices.Index(c.mods, name)
	if i < 0 {
		return false
	}
	c.mods = slices.Delete(c.mods, i, i+1)
	return true
}

// takeOf removes the first modifier that is one of the names; "" if none is.
func (c *compiler) takeOf(names ...string) string {
	for _, n := range names {
		if c.take(n) {
			return n
		}
	}
	return ""
}

// typ removes the last modifier, which must be a type.
func (c *compiler) typ() ptx.Type {
	if len(c.mods) == 0 {
		c.unknown()
	}
	t := ptx.Type(c.mods[len(c.mods)-1])
	if t.Bits() == 0 {
		c.unknown()
	}
	c.mods = c.mods[:len(c.mods)-1]
	return t
}

// args checks the number of operands.
func (c *compiler) args(n int) []ptx.Operand {
	if len(c.in.Args) != n {
		c.refuse("%d operands where %d must stand", len(c.in.Args), n)
	}
	return c.in.Args
}

// first is the first operand.
func (c *compiler) first() *ptx.Operand {
	if len(c.in.Args) == 0 {
		c.refuse("no operands")
	}
	return &c.in.Args[0]
}

func (c *compiler) newSlot(cl class) int32 {
	s := c.k.n[cl]
	c.k.n[cl]++
	return int32(s)
}

// const32 is a slot that holds v in every lane.
func (c *compiler) const32(v uint32) int32 {
	if s, ok := c.k32[v]; ok {
		return s
	}
	s := c.newSlot(class32)
	c.k32[v] = s
	c.k.c32 = append(c.k.c32, const32{s, v})
	return s
}

func (c *compiler) const64(v uint64) int32 {
	if s, ok := c.k64[v]; ok {
		return s
	}
	s := c.newSlot(class64)
	c.k64[v] = s
	c.k.c64 = append(c.k.c64, const64{s, v})
	return s
}

func (c *compiler) special(name string, cl class) int32 {
	key := specialSlot{name: name, class: cl}
	if s, ok := c.spc[key]; ok {
		return s
	}
	if _, ok := specials[name]; !ok {
		c.refuse("special register %s", name)
	}
	s := c.newSlot(cl)
	c.spc[key] = s
	c.k.specials = append(c.k.specials, specialSlot{s, cl, name})
	return s
}

// reg is the slot of a register of the class.
func (c *compiler) reg(o *ptx.Operand, cl class) int32 {
	r := c.fl.regs[o.Reg]
	if o.Not {
		c.refuse("negated operand %s", r.Name)
	}
	if classOf(r.Type) != cl || r.Type.Bits() > 64 {
		c.refuse("register %s of type .%s does not fit the instruction's type", r.Name, r.Type)
	}
	return c.sl.of[o.Reg]
}

// src is the slot of a source operand of type t.
func (c *compiler) src(o *ptx.Operand, t ptx.Type) int32 {
	cl := classOf(t)
	switch o.Kind {
	case ptx.KReg:
		return c.reg(o, cl)
	case ptx.KSpecial:
		return c.special(o.Name, cl)
	case ptx.KInt, ptx.KFloat:
		bits := c.literal(o, t)
		if cl == class64 {
			return c.const64(bits)
		}
		return c.const32(uint32(bits))
	case ptx.KVar:
		v := uint64(c.address(o))
		if cl == class64 {
			return c.const64(v)
		}
		return c.const32(uint32(v))
	}
	c.refuse("operand of this kind")
	return 0
}

// literal is the bits of a constant as a value of type t.
func (c *compiler) literal(o *ptx.Operand, t ptx.Type) uint64 {
	if o.Kind == ptx.KInt {
		switch t {
		case "f32":
			return uint64(math.Float32bits(float32(o.Int)))
		case "f64":
			return math.Float64bits(float64(o.Int))
		}
		if n := t.Bits(); n < 32 {
			return uint64(o.Int) & (1<<n - 1)
		}
		return uint64(o.Int)
	}
	f := math.Float64frombits(o.Float)
	switch t {
	case "f64", "b64":
		return o.Float
	case "f32", "b32", "u32", "s32":
		if o.Single {
			return uint64(uint32(o.Int))
		}
		return uint64(math.Float32bits(float32(f)))
	}
	c.refuse("a float as operand of type .%s", t)
	return 0
}

// address is the value of a variable's name.
func (c *compiler) address(o *ptx.Operand) int64 {
	v := o.Var
	switch v.Space {
	case ptx.Shared:
		if off, ok := c.shm[v]; ok {
			return off + o.Off
		}
	case ptx.Local, ptx.Param:
		if off, ok := c.fl.frame[v]; ok {
			return off + o.Off
		}
		if i := slices.Index(c.fl.f.Params, v); i >= 0 {
			return int64(8*i) + o.Off
		}
	case ptx.Global, ptx.Const:
		if a := c.m.vars[v]; a != nil {
			return int64(a.base) + o.Off
		}
	}
	c.refuse("address of %s", o.Name)
	return 0
}

// dst is the slot of a result of type t, which may be narrower than the register.
func (c *compiler) dst(o *ptx.Operand, t ptx.Type) int32 {
	switch o.Kind {
	case ptx.KReg:
		return c.reg(o, classOf(t))
	case ptx.KSink:
		return 0
	}
	c.refuse("a result that is no register")
	return 0
}

// decode fills k.code.
func (c *compiler) decode(problems *[]Problem) {
	c.k.code = make([]inst, len(c.fl.code))
	c.k.src = make([]source, len(c.fl.code))
	for i := range c.fl.code {
		in := &c.fl.code[i]
		c.k.src[i] = source{in.Line, in.Text, c.fl.owner[i]}
		if r := c.one(i); r != nil {
			*problems = append(*problems, Problem{r.kind, c.fl.owner[i], in.Line, in.Text, r.why})
		}
	}
}

// one decodes instruction i.
func (c *compiler) one(i int) (r *refused) {
	defer func() {
		if p := recover(); p != nil {
			ref, ok := p.(refused)
			if !ok {
				panic(p)
			}
			r = &ref
		}
	}()
	c.in = &c.fl.code[i]
	c.mods = slices.Clone(c.in.Mods)
	out := &c.k.code[i]
	out.guard = -1
	if c.in.Guard >= 0 {
		out.guard, out.not = c.sl.of[c.in.Guard], c.in.Not
	}
	dec := opcodes[c.in.Op]
	if dec == nil {
		c.unknown()
	}
	if isBranch(c.in) {
		out.rpc = int32(c.g.first[c.ipd[c.g.of[i]]])
	}
	dec(c, out)
	if len(c.mods) > 0 {
		c.unknown()
	}
	return nil
}

// opcodes decode an instruction by its name. To add one, write a function over 32
// lanes and a decoder that finds its slots, and register the decoder here from
// an init function in the file of its family.
var opcodes = map[string]func(c *compiler, out *inst){}

func register(names string, dec func(c *compiler, out *inst)) {
	for _, n := range strings.Fields(names) {
		if opcodes[n] != nil {
			panic("emu: opcode " + n + " is registered twice")
		}
		opcodes[n] = dec
	}
}

// byType is the function of an instruction for each type: a lane32, a lane64 or
// an op.
type byType map[ptx.Type]any

// simple decodes "op.type d, a, b, c" with n sources of the type of the result.
func simple(table byType, n int, also ...func(c *compiler, out *inst)) func(c *compiler, out *inst) {
	return func(c *compiler, out *inst) {
		t := c.typ()
		f := table[t]
		if f == nil {
			c.unknown()
		}
		for _, a := range also {
			a(c, out)
		}
		c.sources(out, t, n)
		out.d = c.dst(c.first(), t)
		c.set(out, f)
	}
}

// sources sets a, b and c to the n operands behind the result.
func (c *compiler) sources(out *inst, t ptx.Type, n int) {
	args := c.args(n + 1)
	for i, slot := range []*int32{&out.a, &out.b, &out.c}[:n] {
		*slot = c.src(&args[i+1], t)
	}
}

// set puts the function into the instruction.
func (c *compiler) set(out *inst, f any) {
	switch f := f.(type) {
	case lane32:
		out.kind, out.l32 = kLane32, f
	case lane64:
		out.kind, out.l64 = kLane64, f
	default:
		c.unknown()
	}
}

// pure sets a function that computes all lanes of a result of type t.
func (c *compiler) pure(out *inst, t ptx.Type, f op) {
	out.fn, out.kind = f, kPure32
	if classOf(t) == class64 {
		out.kind = kPure64
	}
}

// self sets a function that looks at w.m.
func (c *compiler) self(out *inst, f op) { out.fn, out.kind = f, kSelf }

func signed(t ptx.Type) bool { return t[0] == 's' }

// isFloat reports whether t is a floating-point type.
func isFloat(t ptx.Type) bool { return isHalf(t) || t == "f32" || t == "f64" || t == "tf32" }

func isHalf(t ptx.Type) bool { return t == "f16" || t == "bf16" || isPair(t) }

func isPair(t ptx.Type) bool { return t == "f16x2" || t == "bf16x2" }

// isFloat reports whether the last modifier is a floating-point type.
func (c *compiler) isFloat() bool {
	if len(c.mods) == 0 {
		c.unknown()
	}
	return isFloat(ptx.Type(c.mods[len(c.mods)-1]))
}

type word interface{ uint32 | uint64 }

// each makes a function over lanes from one of a lane. Frequent instructions have a loop of their own instead, which
// the compiler can put the operation into.
func each[T word](f func(a, b, c T) T) func(in *inst, d, a, b, c *[32]T) {
	return func(_ *inst, d, a, b, c *[32]T) {
		for i := range d {
			d[i] = f(a[i], b[i], c[i])
		}
	}
}

// narrow is each for a result of 16 bits.
func narrow(f func(a, b, c uint32) uint32) lane32 {
	return each(func(a, b, c uint32) uint32 { return f(a, b, c) & 0xffff })
}
