package emu

import (
	"math/bits"
	"strconv"

	"voxgrad/cuda/ptx"
)

func init() {
	register("and", decodeLogic)
	register("or", decodeLogic)
	register("xor", decodeLogic)
	register("not", decodeLogic)
	register("neg", decodeNeg)
	register("abs", decodeAbs)
	register("cnot", simple(ints(cnot[uint32], cnot[uint64], narrow(func(a, _, _ uint32) uint32 {
		if a == 0 {
			return 1
		}
		return 0
	})), 1))
	register("shl shr", decodeShift)
	register("shf", decodeFunnel)
	register("brev", simple(byType{"b32": each32(func(a, _, _ uint32) uint32 { return bits.Reverse32(a) }),
		"b64": each64(func(a, _, _ uint64) uint64 { return bits.Reverse64(a) })}, 1))
	register("popc clz bfind", decodeCount)
	register("bfe bfi", decodeField)
	register("prmt", decodePermute)
	register("lop3", decodeLop3)
}

// each32 and each64 make a function over lanes from one of a lane.
func each32(f func(a, b, c uint32) uint32) lane32 {
	return func(_ *inst, d, a, b, c *reg32) {
		for i := range d {
			d[i] = f(a[i], b[i], c[i])
		}
	}
}

func each64(f func(a, b, c uint64) uint64) lane64 {
	return func(_ *inst, d, a, b, c *reg64) {
		for i := range d {
			d[i] = f(a[i], b[i], c[i])
		}
	}
}

// pred is a source predicate; the second result tells whether it is negated.
func (c *compiler) pred(o *ptx.Operand) (int32, bool) {
	if o.Kind == ptx.KInt {
		s := c.newSlot(classP)
		c.k.truth = append(c.k.truth, s)
		return s, o.Int == 0
	}
	if o.Kind != ptx.KReg || classOf(c.fl.regs[o.Reg].Type) != classP {
		c.refuse("an operand that is no predicate")
	}
	return c.sl.of[o.Reg], o.Not
}

// flip gives the mask that negates a predicate when not is set.
func flip(not bool) uint32 {
	if not {
		return allLanes
	}
	return 0
}

func decodeLogic(c *compiler, out *inst) {
	n := 2
	if c.in.Op == "not" {
		n = 1
	}
	if c.take("pred") {
		args := c.args(n + 1)
		var na, nb bool
		out.a, na = c.pred(&args[1])
		out.b, nb = out.a, na
		if n == 2 {
			out.b, nb = c.pred(&args[2])
		}
		out.d = c.dst(&args[0], "pred")
		fa, fb, name := flip(na), flip(nb), c.in.Op
		c.self(out, func(w *warp, in *inst, d int32) {
			a, b := w.p[in.a]^fa, w.p[in.b]^fb
			var r uint32
			switch name {
			case "and":
				r = a & b
			case "or":
				r = a | b
			case "xor":
				r = a ^ b
			case "not":
				r = ^a
			}
			w.p[d] = w.p[d]&^w.m | r&w.m
		})
		return
	}
	table := map[string]byType{
		"and": {"b16": and[uint32], "b32": and[uint32], "b64": and[uint64]},
		"or":  {"b16": or[uint32], "b32": or[uint32], "b64": or[uint64]},
		"xor": {"b16": xor[uint32], "b32": xor[uint32], "b64": xor[uint64]},
		"not": {"b16": not16, "b32": not[uint32], "b64": not[uint64]},
	}
	simple(table[c.in.Op], n)(c, out)
}

func decodeNeg(c *compiler, out *inst) {
	if c.isFloat() {
		c.floatBits(out)
		return
	}
	simple(byType{"s16": neg16, "s32": neg[uint32], "s64": neg[uint64]}, 1)(c, out)
}

func decodeAbs(c *compiler, out *inst) {
	if c.isFloat() {
		c.floatBits(out)
		return
	}
	simple(byType{"s16": absS16, "s32": absS32, "s64": absS64}, 1)(c, out)
}

// decodeShift: counts of the width and more give 0 or the sign.
func decodeShift(c *compiler, out *inst) {
	t := c.typ()
	args := c.args(3)
	out.a, out.b = c.src(&args[1], t), c.src(&args[2], "u32")
	out.d = c.dst(&args[0], t)
	left, n := c.in.Op == "shl", t.Bits()
	switch {
	case n == 16 && left:
		c.set(out, narrow(func(a, b, _ uint32) uint32 { return a << b }))
	case n == 16 && signed(t):
		c.set(out, narrow(func(a, b, _ uint32) uint32 { return uint32(s16(a) >> b) }))
	case (n == 32 || n == 16) && !left && !signed(t):
		c.set(out, func(_ *inst, d, a, b, _ *reg32) {
			for i := range d {
				d[i] = a[i] >> b[i]
			}
		})
	case n == 32 && left:
		c.set(out, func(_ *inst, d, a, b, _ *reg32) {
			for i := range d {
				d[i] = a[i] << b[i]
			}
		})
	case n == 32:
		c.set(out, func(_ *inst, d, a, b, _ *reg32) {
			for i := range d {
				d[i] = uint32(int32(a[i]) >> b[i])
			}
		})
	case n == 64 && left:
		c.pure(out, t, func(w *warp, in *inst, d int32) {
			r, a, b := &w.r64[d], &w.r64[in.a], &w.r32[in.b]
			for i := range r {
				r[i] = a[i] << b[i]
			}
		})
	case n == 64 && signed(t):
		c.pure(out, t, func(w *warp, in *inst, d int32) {
			r, a, b := &w.r64[d], &w.r64[in.a], &w.r32[in.b]
			for i := range r {
				r[i] = uint64(int64(a[i]) >> b[i])
			}
		})
	case n == 64:
		c.pure(out, t, func(w *warp, in *inst, d int32) {
			r, a, b := &w.r64[d], &w.r64[in.a], &w.r32[in.b]
			for i := range r {
				r[i] = a[i] >> b[i]
			}
		})
	default:
		c.unknown()
	}
}

// decodeFunnel decodes shf: 32 bits out of the 64 bits b:a.
func decodeFunnel(c *compiler, out *inst) {
	left := c.takeOf("l", "r") == "l"
	clamp := c.takeOf("clamp", "wrap") == "clamp"
	simple(byType{"b32": each32(func(a, b, n uint32) uint32 {
		if clamp {
			n = min(n, 32)
		} else {
			n &= 31
		}
		v := uint64(b)<<32 | uint64(a)
		if left {
			return uint32(v << n >> 32)
		}
		return uint32(v >> n)
	})}, 3)(c, out)
}

// get reads n bits of lane l.
func (w *warp) get(s int32, n, l int) uint64 {
	if n == 64 {
		return w.r64[s][l&31]
	}
	return uint64(w.r32[s][l&31])
}

// decodeLop3: any function of three bits, given as its table of truth.
func decodeLop3(c *compiler, out *inst) {
	if t := c.typ(); t != "b32" || len(c.mods) > 0 {
		c.unknown()
	}
	args := c.args(5)
	for i, slot := range []*int32{&out.a, &out.b, &out.c} {
		*slot = c.src(&args[i+1], "b32")
	}
	out.d = c.dst(&args[0], "b32")
	if args[4].Kind != ptx.KInt || args[4].Int < 0 || args[4].Int > 255 {
		c.refuse("a table of truth that is no constant up to 255, %s", strconv.Quote(c.in.Text))
	}
	table := uint32(args[4].Int)
	c.set(out, each32(func(a, b, c uint32) uint32 {
		var r uint32
		for k := range uint32(8) {
			if table>>k&1 != 0 {
				r |= (a ^ -(^k >> 2 & 1)) & (b ^ -(^k >> 1 & 1)) & (c ^ -(^k & 1))
			}
		}
		return r
	}))
}
