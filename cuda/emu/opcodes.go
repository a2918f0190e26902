package emu

import "voxgrad/cuda/ptx"

// opcodes decode an instruction by its name. To add one, write a function over 32
// lanes and a decoder that finds its slots, and register the decoder here from
// an init function in the file of its family.
var opcodes = map[string]func(c *compiler, out *inst){}

func register(names string, dec func(c *compiler, out *inst)) {
	for _, n := range splitWords(names) {
		if opcodes[n] != nil {
			panic("emu: opcode " + n + " is registered twice")
		}
		opcodes[n] = dec
	}
}

func splitWords(s string) []string {
	var out []string
	start := -1
	for i := 0; i <= len(s); i++ {
		if i == len(s) || s[i] == ' ' {
			if start >= 0 {
				out = append(out, s[start:i])
			}
			start = -1
		} else if start < 0 {
			start = i
		}
	}
	return out
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
	case func(in *inst, d, a, b, c *reg32):
		out.kind, out.l32 = kLane32, f
	case lane64:
		out.kind, out.l64 = kLane64, f
	case func(in *inst, d, a, b, c *reg64):
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
