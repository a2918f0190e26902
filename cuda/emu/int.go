package emu

import (
	"math/bits"

	"voxgrad/cuda/ptx"
)

func init() {
	register("add", decodeAdd)
	register("sub", decodeSub)
	register("addc subc", decodeWithCarry)
	register("mul", decodeMul)
	register("mad", decodeMad)
	register("madc", decodeMadc)
	register("mul24 mad24", decode24)
	register("sad", simple(byType{
		"u32": each(func(a, b, c uint32) uint32 { return c + max(a, b) - min(a, b) }),
		"s32": each(func(a, b, c uint32) uint32 {
			return c + uint32(max(int32(a), int32(b))) - uint32(min(int32(a), int32(b)))
		}),
		"u64": each(func(a, b, c uint64) uint64 { return c + max(a, b) - min(a, b) }),
		"s64": each(func(a, b, c uint64) uint64 {
			return c + uint64(max(int64(a), int64(b))) - uint64(min(int64(a), int64(b)))
		}),
	}, 3))
	register("div", decodeDiv)
	register("rem", decodeRem)
	register("dp4a", decodeDot)
}

func ints(f32, f64, f16 any) byType {
	return byType{"u32": f32, "s32": f32, "b32": f32, "u64": f64, "s64": f64, "b64": f64, "u16": f16, "s16": f16, "b16": f16}
}

func decodeAdd(c *compiler, out *inst) {
	switch {
	case c.isFloat():
		c.float(out, arithAdd, 2)
	case c.take("cc"):
		c.carry(out, false, false, true)
	case c.take("sat"):
		simple(byType{"s32": each(func(a, b, _ uint32) uint32 { return saturate(int64(int32(a)) + int64(int32(b))) })}, 2)(c, out)
	default:
		simple(ints(add32Fast, add64Fast, add16), 2)(c, out)
	}
}

func decodeSub(c *compiler, out *inst) {
	switch {
	case c.isFloat():
		c.float(out, arithSub, 2)
	case c.take("cc"):
		c.carry(out, true, false, true)
	case c.take("sat"):
		simple(byType{"s32": each(func(a, b, _ uint32) uint32 { return saturate(int64(int32(a)) - int64(int32(b))) })}, 2)(c, out)
	default:
		simple(ints(sub[uint32], sub[uint64], sub16), 2)(c, out)
	}
}

func decodeMul(c *compiler, out *inst) {
	switch {
	case c.isFloat():
		c.float(out, arithMul, 2)
	case c.take("wide"):
		c.decodeWide(out, c.typ(), 2)
	case c.take("lo"):
		simple(ints(mulLo[uint32], mulLo[uint64], mulLo16), 2)(c, out)
	case c.take("hi"):
		simple(mulHi, 2)(c, out)
	default:
		c.unknown()
	}
}

func decodeMad(c *compiler, out *inst) {
	switch {
	case c.isFloat():
		c.float(out, arithFma, 3)
	case c.take("cc"):
		c.madCarry(out, false, true)
	case c.take("wide"):
		c.decodeWide(out, c.typ(), 3)
	case c.take("lo"):
		simple(ints(mad32Fast, madLo[uint64], madLo16), 3)(c, out)
	case c.take("hi"):
		if c.take("sat") {
			simple(byType{"s32": each(func(a, b, c uint32) uint32 {
				return saturate(int64(int32(a))*int64(int32(b))>>32 + int64(int32(c)))
			})}, 3)(c, out)
			return
		}
		simple(madHi, 3)(c, out)
	default:
		c.unknown()
	}
}

func decode24(c *compiler, out *inst) {
	hi := c.takeOf("lo", "hi") == "hi"
	n := 2
	if c.in.Op == "mad24" {
		n = 3
	}
	f := func(s bool) lane32 {
		return each(func(a, b, c uint32) uint32 {
			p := uint64(a&0xffffff) * uint64(b&0xffffff)
			if s {
				p = uint64(int64(int32(a<<8)>>8) * int64(int32(b<<8)>>8))
			}
			if hi {
				p >>= 16
			}
			if n == 3 {
				p += uint64(c)
			}
			return uint32(p)
		})
	}
	simple(byType{"u32": f(false), "s32": f(true)}, n)(c, out)
}

func decodeDiv(c *compiler, out *inst) {
	if c.isFloat() {
		c.floatDiv(out)
		return
	}
	c.divRem(out, false)
}

func decodeRem(c *compiler, out *inst) { c.divRem(out, true) }

// divRem decodes integer division. Division by zero, which hardware answers with
// an unspecified value, is refused.
func (c *compiler) divRem(out *inst, rem bool) {
	t := c.typ()
	n, s := t.Bits(), signed(t)
	if t[0] == 'b' || n < 16 {
		c.unknown()
	}
	c.sources(out, t, 2)
	out.d = c.dst(c.first(), t)
	c.self(out, func(w *warp, in *inst, d int32) {
		for l := range lanes(w.m) {
			var a, b uint64
			switch {
			case n == 64:
				a, b = w.r64[in.a][l], w.r64[in.b][l]
			case s && n == 16:
				a, b = uint64(s16(w.r32[in.a][l])), uint64(s16(w.r32[in.b][l]))
			case s:
				a, b = uint64(int32(w.r32[in.a][l])), uint64(int32(w.r32[in.b][l]))
			default:
				a, b = uint64(w.r32[in.a][l]), uint64(w.r32[in.b][l])
			}
			if b == 0 {
				w.faultLane(in, l, DivideByZero, "%d by 0", a)
			}
			var r uint64
			switch {
			case s && rem:
				r = uint64(int64(a) % int64(b))
			case s:
				r = uint64(int64(a) / int64(b))
			case rem:
				r = a % b
			default:
				r = a / b
			}
			if n == 16 {
				r &= 0xffff
			}
			w.put(d, n, l, r)
		}
	})
}

// decodeDot decodes dp4a: four products of bytes and a sum.
func decodeDot(c *compiler, out *inst) {
	tb, ta := c.typ(), c.typ()
	sa, sb := ta == "s32", tb == "s32"
	c.sources(out, "b32", 3)
	out.d = c.dst(c.first(), "b32")
	part := func(v uint32, k int, s bool) int32 {
		b := byte(v >> (8 * k))
		if s {
			return int32(int8(b))
		}
		return int32(b)
	}
	c.set(out, each(func(a, b, c uint32) uint32 {
		for k := range 4 {
			c += uint32(part(a, k, sa) * part(b, k, sb))
		}
		return c
	}))
}

func add[T word](_ *inst, d, a, b, _ *[32]T) {
	for i := range d {
		d[i] = a[i] + b[i]
	}
}

func sub[T word](_ *inst, d, a, b, _ *[32]T) {
	for i := range d {
		d[i] = a[i] - b[i]
	}
}

func mulLo[T word](_ *inst, d, a, b, _ *[32]T) {
	for i := range d {
		d[i] = a[i] * b[i]
	}
}

func madLo[T word](_ *inst, d, a, b, c *[32]T) {
	for i := range d {
		d[i] = a[i]*b[i] + c[i]
	}
}

func and[T word](_ *inst, d, a, b, _ *[32]T) {
	for i := range d {
		d[i] = a[i] & b[i]
	}
}

func or[T word](_ *inst, d, a, b, _ *[32]T) {
	for i := range d {
		d[i] = a[i] | b[i]
	}
}

func xor[T word](_ *inst, d, a, b, _ *[32]T) {
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
}

func not[T word](_ *inst, d, a, _, _ *[32]T) {
	for i := range d {
		d[i] = ^a[i]
	}
}

func neg[T word](_ *inst, d, a, _, _ *[32]T) {
	for i := range d {
		d[i] = -a[i]
	}
}

func minU[T word](_ *inst, d, a, b, _ *[32]T) {
	for i := range d {
		d[i] = min(a[i], b[i])
	}
}

func maxU[T word](_ *inst, d, a, b, _ *[32]T) {
	for i := range d {
		d[i] = max(a[i], b[i])
	}
}

func minS32(_ *inst, d, a, b, _ *reg32) {
	for i := range d {
		d[i] = uint32(min(int32(a[i]), int32(b[i])))
	}
}

func maxS32(_ *inst, d, a, b, _ *reg32) {
	for i := range d {
		d[i] = uint32(max(int32(a[i]), int32(b[i])))
	}
}

func mulHiU32(_ *inst, d, a, b, _ *reg32) {
	for i := range d {
		d[i] = uint32(uint64(a[i]) * uint64(b[i]) >> 32)
	}
}

func hiS32(a, b uint32) uint32 { return uint32(int64(int32(a)) * int64(int32(b)) >> 32) }

func hiU64(a, b uint64) uint64 { h, _ := bits.Mul64(a, b); return h }

func hiS64(a, b uint64) uint64 {
	h := hiU64(a, b)
	if int64(a) < 0 {
		h -= b
	}
	if int64(b) < 0 {
		h -= a
	}
	return h
}

var mulHi = byType{
	"u32": mulHiU32, "s32": each(func(a, b, _ uint32) uint32 { return hiS32(a, b) }),
	"u64": each(func(a, b, _ uint64) uint64 { return hiU64(a, b) }), "s64": each(func(a, b, _ uint64) uint64 { return hiS64(a, b) }),
	"u16": narrow(func(a, b, _ uint32) uint32 { return a * b >> 16 }), "s16": narrow(func(a, b, _ uint32) uint32 { return uint32(s16(a) * s16(b) >> 16) }),
}

var madHi = byType{
	"u32": each(func(a, b, c uint32) uint32 { return uint32(uint64(a)*uint64(b)>>32) + c }),
	"s32": each(func(a, b, c uint32) uint32 { return hiS32(a, b) + c }),
	"u64": each(func(a, b, c uint64) uint64 { return hiU64(a, b) + c }), "s64": each(func(a, b, c uint64) uint64 { return hiS64(a, b) + c }),
	"u16": narrow(func(a, b, c uint32) uint32 { return a*b>>16 + c }), "s16": narrow(func(a, b, c uint32) uint32 { return uint32(s16(a)*s16(b)>>16) + c }),
}

// saturate clamps to 32 bits.
func saturate(v int64) uint32 { return uint32(min(max(v, -1<<31), 1<<31-1)) }

func s16(v uint32) int32 { return int32(int16(v)) }

var (
	add16   = narrow(func(a, b, _ uint32) uint32 { return a + b })
	sub16   = narrow(func(a, b, _ uint32) uint32 { return a - b })
	mulLo16 = narrow(func(a, b, _ uint32) uint32 { return a * b })
	madLo16 = narrow(func(a, b, c uint32) uint32 { return a*b + c })
	neg16   = narrow(func(a, _, _ uint32) uint32 { return -a })
	not16   = narrow(func(a, _, _ uint32) uint32 { return ^a })
)

// wide multiplies into twice the bits: 16 to 32 and 32 to 64.
func (c *compiler) decodeWide(out *inst, t ptx.Type, sources int) {
	args := c.args(sources + 1)
	out.a, out.b = c.src(&args[1], t), c.src(&args[2], t)
	double := map[ptx.Type]ptx.Type{"u16": "u32", "s16": "s32", "u32": "u64", "s32": "s64"}[t]
	if double == "" {
		c.unknown()
	}
	out.d = c.dst(&args[0], double)
	if sources == 3 {
		out.c = c.src(&args[3], double)
	} else if classOf(double) == class64 {
		out.c = c.const64(0)
	} else {
		out.c = c.const32(0)
	}
	switch t {
	case "u16":
		c.set(out, madLo[uint32])
	case "s16":
		c.set(out, each(func(a, b, c uint32) uint32 { return uint32(s16(a)*s16(b)) + c }))
	case "u32":
		c.pure(out, double, func(w *warp, in *inst, d int32) {
			r, a, b, c := &w.r64[d], &w.r32[in.a], &w.r32[in.b], &w.r64[in.c]
			for i := range r {
				r[i] = uint64(a[i])*uint64(b[i]) + c[i]
			}
		})
	case "s32":
		c.pure(out, double, func(w *warp, in *inst, d int32) {
			r, a, b, c := &w.r64[d], &w.r32[in.a], &w.r32[in.b], &w.r64[in.c]
			for i := range r {
				r[i] = uint64(int64(int32(a[i]))*int64(int32(b[i]))) + c[i]
			}
		})
	}
}

func decodeWithCarry(c *compiler, out *inst) {
	c.carry(out, c.in.Op == "subc", true, c.take("cc"))
}

// carry decodes additions and subtractions with the carry flag as input and output.
func (c *compiler) carry(out *inst, subtract, in, result bool) {
	t := c.typ()
	if n := t.Bits(); n != 32 && n != 64 || isFloat(t) {
		c.unknown()
	}
	c.sources(out, t, 2)
	out.d = c.dst(c.first(), t)
	n := t.Bits()
	c.self(out, func(w *warp, in2 *inst, d int32) {
		for l := range lanes(w.m) {
			w.addCarry(d, n, l, w.get(in2.a, n, l), w.get(in2.b, n, l), in, result, subtract)
		}
	})
}

// addCarry adds or subtracts in lane l, with the carry flag as input and result where that is asked for.
func (w *warp) addCarry(d int32, n, l int, a, b uint64, in, result, subtract bool) {
	var x uint64
	if in {
		x = uint64(w.cc >> l & 1)
	}
	r, cout := carryOf(a, b, x, n, subtract)
	w.put(d, n, l, r)
	if result {
		w.cc = w.cc&^(1<<l) | uint32(cout)<<l
	}
}

func carryOf(a, b, x uint64, n int, subtract bool) (r, cout uint64) {
	if n == 32 {
		if subtract {
			r = a - b - x
		} else {
			r = a + b + x
		}
		return r & (1<<32 - 1), r >> 32 & 1
	}
	if subtract {
		return bits.Sub64(a, b, x)
	}
	return bits.Add64(a, b, x)
}

func decodeMadc(c *compiler, out *inst) { c.madCarry(out, true, c.take("cc")) }

// madCarry decodes multiply-add with the carry flag.
func (c *compiler) madCarry(out *inst, in, result bool) {
	hi := c.takeOf("lo", "hi") == "hi"
	t := c.typ()
	n := t.Bits()
	if n != 32 && n != 64 || isFloat(t) {
		c.unknown()
	}
	s := signed(t)
	c.sources(out, t, 3)
	out.d = c.dst(c.first(), t)
	c.self(out, func(w *warp, in2 *inst, d int32) {
		for l := range lanes(w.m) {
			var p, q uint64
			if n == 64 {
				p, q = w.r64[in2.a][l]*w.r64[in2.b][l], w.r64[in2.c][l]
				if hi && s {
					p = hiS64(w.r64[in2.a][l], w.r64[in2.b][l])
				} else if hi {
					p = hiU64(w.r64[in2.a][l], w.r64[in2.b][l])
				}
			} else {
				a, b := w.r32[in2.a][l], w.r32[in2.b][l]
				q = uint64(w.r32[in2.c][l])
				p = uint64(a) * uint64(b)
				if s {
					p = uint64(int64(int32(a)) * int64(int32(b)))
				}
				if hi {
					p >>= 32
				}
				p &= 1<<32 - 1
			}
			w.addCarry(d, n, l, p, q, in, result, false)
		}
	})
}
