package emu

import (
	"math/bits"
	"strconv"

	"voxgrad/cuda/ptx"
)

func init() {
	register("and or xor not", decodeLogic)
	register("neg", decodeNeg)
	register("abs", decodeAbs)
	register("cnot", simple(ints(each(cnot[uint32]), each(cnot[uint64]), each(cnot[uint32])), 1))
	register("shl shr", decodeShift)
	register("shf", decodeFunnel)
	register("brev", simple(byType{"b32": each(func(a, _, _ uint32) uint32 { return bits.Reverse32(a) }),
		"b64": each(func(a, _, _ uint64) uint64 { return bits.Reverse64(a) })}, 1))
	register("popc clz bfind", decodeCount)
	register("bfe bfi", decodeField)
	register("prmt", decodePermute)
	register("lop3", decodeLop3)
}

func cnot[T word](a, _, _ T) T {
	if a == 0 {
		return 1
	}
	return 0
}

// pred is a source predicate; the second result reports whether it is negated.
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

// flip is the mask that negates a predicate when not is set.
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
	simple(byType{
		"s16": narrow(func(a, _, _ uint32) uint32 { return uint32(max(s16(a), -s16(a))) }),
		"s32": each(func(a, _, _ uint32) uint32 { return uint32(max(int32(a), -int32(a))) }),
		"s64": each(func(a, _, _ uint64) uint64 { return uint64(max(int64(a), -int64(a))) }),
	}, 1)(c, out)
}

// decodeShift: counts of the width and more yield 0 or the sign.
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
		c.set(out, each(func(a, b, _ uint32) uint32 { return uint32(int32(a) >> b) }))
	case n == 64:
		c.pure(out, t, func(w *warp, in *inst, d int32) {
			r, a, b := &w.r64[d], &w.r64[in.a], &w.r32[in.b]
			for i := range r {
				switch {
				case left:
					r[i] = a[i] << b[i]
				case signed(t):
					r[i] = uint64(int64(a[i]) >> b[i])
				default:
					r[i] = a[i] >> b[i]
				}
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
	simple(byType{"b32": each(func(a, b, n uint32) uint32 {
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
	c.set(out, each(func(a, b, c uint32) uint32 {
		var r uint32
		for k := range uint32(8) {
			if table>>k&1 != 0 {
				r |= (a ^ -(^k >> 2 & 1)) & (b ^ -(^k >> 1 & 1)) & (c ^ -(^k & 1))
			}
		}
		return r
	}))
}

// decodeCount decodes popc, clz and bfind, whose results have 32 bits.
func decodeCount(c *compiler, out *inst) {
	name, shift := c.in.Op, c.take("shiftamt")
	t := c.typ()
	n := t.Bits()
	if n < 32 {
		c.unknown()
	}
	args := c.args(2)
	out.a, out.d = c.src(&args[1], t), c.dst(&args[0], "u32")
	one := func(v uint64) uint32 {
		switch name {
		case "popc":
			return uint32(bits.OnesCount64(v))
		case "clz":
			return uint32(bits.LeadingZeros64(v) - (64 - n))
		}
		if signed(t) && int64(v<<(64-n)) < 0 {
			v = ^v & (1<<n - 1)
		}
		if v == 0 {
			return allLanes
		}
		top := uint32(bits.Len64(v) - 1)
		if shift {
			return uint32(n) - 1 - top
		}
		return top
	}
	c.pure(out, "u32", func(w *warp, in *inst, d int32) {
		r := &w.r32[d]
		for i := range r {
			r[i] = one(w.get(in.a, n, i))
		}
	})
}

// decodeField decodes bfe (extract) and bfi (insert); position and length are the
// low 8 bits of 32-bit operands.
func decodeField(c *compiler, out *inst) {
	t := c.typ()
	n, s := t.Bits(), signed(t)
	if n != 32 && n != 64 {
		c.unknown()
	}
	out.d = c.dst(c.first(), t)
	if c.in.Op == "bfe" {
		args := c.args(4)
		out.a, out.b, out.c = c.src(&args[1], t), c.src(&args[2], "u32"), c.src(&args[3], "u32")
		c.self(out, func(w *warp, in *inst, d int32) {
			for l := range lanes(w.m) {
				w.put(d, n, l, extractBits(w.get(in.a, n, l), w.r32[in.b][l]&255, w.r32[in.c][l]&255, n, s))
			}
		})
		return
	}
	args := c.args(5)
	out.a, out.b = c.src(&args[1], t), c.src(&args[2], t)
	out.c, out.e = c.src(&args[3], "u32"), c.src(&args[4], "u32")
	c.self(out, func(w *warp, in *inst, d int32) {
		for l := range lanes(w.m) {
			pos, length := w.r32[in.c][l]&255, w.r32[in.e][l]&255
			mask := (uint64(1)<<length - 1) << pos // Go's shifts by 64 and more yield 0
			if n == 32 {
				mask &= 1<<32 - 1
			}
			w.put(d, n, l, w.get(in.b, n, l)&^mask|w.get(in.a, n, l)<<pos&mask)
		}
	})
}

// extractBits takes length bits from pos; beyond the top it continues with zeros
// or with the sign, which is the field's last bit inside the word.
func extractBits(v uint64, pos, length uint32, n int, s bool) uint64 {
	if length == 0 {
		return 0
	}
	r := v >> pos
	if length < 64 {
		r &= 1<<length - 1
	}
	if s {
		top := min(pos+length-1, uint32(n-1))
		if v>>top&1 != 0 {
			if width := int(top) - int(pos) + 1; width > 0 && width < 64 {
				r |= ^uint64(0) << width
			} else if width <= 0 {
				r = ^uint64(0)
			}
		}
	}
	if n == 32 {
		r &= 1<<32 - 1
	}
	return r
}

func decodePermute(c *compiler, out *inst) {
	mode := c.takeOf("f4e", "b4e", "rc8", "ecl", "ecr", "rc16")
	simple(byType{"b32": each(func(a, b, sel uint32) uint32 { return permute(mode, a, b, sel) })}, 3)(c, out)
}

func permute(mode string, a, b, sel uint32) uint32 {
	src := uint64(b)<<32 | uint64(a)
	k := sel & 3
	var pick [4]uint32
	switch mode {
	case "":
		for i := range pick {
			pick[i] = sel >> (4 * i) & 15
		}
	case "f4e":
		pick = [4]uint32{k, k + 1, k + 2, k + 3}
	case "b4e":
		pick = [4]uint32{k, (k + 7) & 7, (k + 6) & 7, (k + 5) & 7}
	case "rc8":
		pick = [4]uint32{k, k, k, k}
	case "ecl":
		pick = [4]uint32{k, max(k, 1), max(k, 2), 3}
	case "ecr":
		pick = [4]uint32{0, min(k, 1), min(k, 2), k}
	case "rc16":
		k = k & 1 * 2
		pick = [4]uint32{k, k + 1, k, k + 1}
	}
	var r uint32
	for i, p := range pick {
		v := uint32(src>>(8*(p&7))) & 255
		if p&8 != 0 { // the sign of that byte
			v = uint32(int32(int8(v))>>7) & 255
		}
		r |= v << (8 * i)
	}
	return r
}
