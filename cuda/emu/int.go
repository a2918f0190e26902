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
	register("sad", simple(byType{"u32": sadU32, "s32": sadS32, "u64": sadU64, "s64": sadS64}, 3))
	register("div", decodeDiv)
	register("rem", decodeRem)
	register("dp4a", decodeDot)
}

func ints(f32, f64, f16 any) byType {
	return byType{"u32": f32, "s32": f32, "b32": f32, "u64": f64, "s64": f64, "b64": f64, "u16": f16, "s16": f16, "b16": f16}
}

// isFloat tells whether the last modifier is a floating-point type.
func (c *compiler) isFloat() bool {
	if len(c.mods) == 0 {
		c.unknown()
	}
	switch c.mods[len(c.mods)-1] {
	case "f16", "f16x2", "bf16", "bf16x2", "f32", "f64":
		return true
	}
	return false
}

func decodeAdd(c *compiler, out *inst) {
	switch {
	case c.isFloat():
		c.float(out, arithAdd, 2)
	case c.take("cc"):
		c.carry(out, false, false, true)
	case c.take("sat"):
		simple(byType{"s32": addSat}, 2)(c, out)
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
		simple(byType{"s32": subSat}, 2)(c, out)
	default:
		simple(ints(sub[uint32], sub[uint64], sub16), 2)(c, out)
	}
}

// put writes n bits of lane l.
func (w *warp) put(d int32, n, l int, v uint64) {
	if n == 64 {
		w.r64[d][l&31] = v
	} else {
		w.r32[d][l&31] = uint32(v)
	}
}

func (c *compiler) isFloatType(t ptx.Type) bool {
	return t[0] == 'f' || t[0] == 'b' && len(t) > 3 && t[1] == 'f'
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
		simple(byType{"u32": mulHiU32, "s32": mulHiS32, "u64": mulHiU64, "s64": mulHiS64, "u16": mulHiU16, "s16": mulHiS16}, 2)(c, out)
	default:
		c.unknown()
	}
}

var madHis = byType{"u32": madHiU32, "s32": madHiS32, "u64": madHiU64, "s64": madHiS64, "u16": madHiU16, "s16": madHiS16}

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
			out.flags |= fSat
			simple(byType{"s32": madHiS32}, 3)(c, out)
			return
		}
		simple(madHis, 3)(c, out)
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
		return func(_ *inst, d, a, b, c *reg32) {
			for i := range d {
				p := uint64(a[i]&0xffffff) * uint64(b[i]&0xffffff)
				if s {
					p = uint64(int64(int32(a[i]<<8)>>8) * int64(int32(b[i]<<8)>>8))
				}
				if hi {
					p >>= 16
				}
				if n == 3 {
					p += uint64(c[i])
				}
				d[i] = uint32(p)
			}
		}
	}
	simple(byType{"u32": f(false), "s32": f(true)}, n)(c, out)
}

func sadU32(_ *inst, d, a, b, c *reg32) {
	for i := range d {
		d[i] = c[i] + max(a[i], b[i]) - min(a[i], b[i])
	}
}

func sadS32(_ *inst, d, a, b, c *reg32) {
	for i := range d {
		d[i] = c[i] + uint32(max(int32(a[i]), int32(b[i]))) - uint32(min(int32(a[i]), int32(b[i])))
	}
}

func sadU64(_ *inst, d, a, b, c *reg64) {
	for i := range d {
		d[i] = c[i] + max(a[i], b[i]) - min(a[i], b[i])
	}
}

func sadS64(_ *inst, d, a, b, c *reg64) {
	for i := range d {
		d[i] = c[i] + uint64(max(int64(a[i]), int64(b[i]))) - uint64(min(int64(a[i]), int64(b[i])))
	}
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
		for m := w.m; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
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
	c.set(out, func(_ *inst, d, a, b, c *reg32) {
		for i := range d {
			s := c[i]
			for k := range 4 {
				s += uint32(part(a[i], k, sa) * part(b[i], k, sb))
			}
			d[i] = s
		}
	})
}

type word interface{ uint32 | uint64 }

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

func cnot[T word](_ *inst, d, a, _, _ *[32]T) {
	for i := range d {
		if a[i] == 0 {
			d[i] = 1
		} else {
			d[i] = 0
		}
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

func minS64(_ *inst, d, a, b, _ *reg64) {
	for i := range d {
		d[i] = uint64(min(int64(a[i]), int64(b[i])))
	}
}

func maxS64(_ *inst, d, a, b, _ *reg64) {
	for i := range d {
		d[i] = uint64(max(int64(a[i]), int64(b[i])))
	}
}

func absS32(_ *inst, d, a, _, _ *reg32) {
	for i := range d {
		v := int32(a[i])
		if v < 0 {
			v = -v
		}
		d[i] = uint32(v)
	}
}

func absS64(_ *inst, d, a, _, _ *reg64) {
	for i := range d {
		v := int64(a[i])
		if v < 0 {
			v = -v
		}
		d[i] = uint64(v)
	}
}

func mulHiU32(_ *inst, d, a, b, _ *reg32) {
	for i := range d {
		d[i] = uint32(uint64(a[i]) * uint64(b[i]) >> 32)
	}
}

func mulHiS32(_ *inst, d, a, b, _ *reg32) {
	for i := range d {
		d[i] = uint32(uint64(int64(int32(a[i]))*int64(int32(b[i]))) >> 32)
	}
}

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

func mulHiU64(_ *inst, d, a, b, _ *reg64) {
	for i := range d {
		d[i] = hiU64(a[i], b[i])
	}
}

func mulHiS64(_ *inst, d, a, b, _ *reg64) {
	for i := range d {
		d[i] = hiS64(a[i], b[i])
	}
}

func madHiU32(in *inst, d, a, b, c *reg32) {
	for i := range d {
		d[i] = uint32(uint64(a[i])*uint64(b[i])>>32) + c[i]
	}
}

func madHiS32(in *inst, d, a, b, c *reg32) {
	for i := range d {
		h := int64(int32(a[i])) * int64(int32(b[i])) >> 32
		if in.flags&fSat != 0 {
			d[i] = saturate(h + int64(int32(c[i])))
		} else {
			d[i] = uint32(h) + c[i]
		}
	}
}

func madHiU64(_ *inst, d, a, b, c *reg64) {
	for i := range d {
		d[i] = hiU64(a[i], b[i]) + c[i]
	}
}

func madHiS64(_ *inst, d, a, b, c *reg64) {
	for i := range d {
		d[i] = hiS64(a[i], b[i]) + c[i]
	}
}

// saturate clamps to 32 bits.
func saturate(v int64) uint32 { return uint32(min(max(v, -1<<31), 1<<31-1)) }

func addSat(_ *inst, d, a, b, _ *reg32) {
	for i := range d {
		d[i] = saturate(int64(int32(a[i])) + int64(int32(b[i])))
	}
}

func subSat(_ *inst, d, a, b, _ *reg32) {
	for i := range d {
		d[i] = saturate(int64(int32(a[i])) - int64(int32(b[i])))
	}
}

// narrow makes the 16-bit form of an operation of one lane.
func narrow(f func(a, b, c uint32) uint32) lane32 {
	return func(_ *inst, d, a, b, c *reg32) {
		for i := range d {
			d[i] = f(a[i], b[i], c[i]) & 0xffff
		}
	}
}

func s16(v uint32) int32 { return int32(int16(v)) }

var (
	add16    = narrow(func(a, b, _ uint32) uint32 { return a + b })
	sub16    = narrow(func(a, b, _ uint32) uint32 { return a - b })
	mulLo16  = narrow(func(a, b, _ uint32) uint32 { return a * b })
	madLo16  = narrow(func(a, b, c uint32) uint32 { return a*b + c })
	mulHiU16 = narrow(func(a, b, _ uint32) uint32 { return a * b >> 16 })
	mulHiS16 = narrow(func(a, b, _ uint32) uint32 { return uint32(s16(a) * s16(b) >> 16) })
	madHiU16 = narrow(func(a, b, c uint32) uint32 { return a*b>>16 + c })
	madHiS16 = narrow(func(a, b, c uint32) uint32 { return uint32(s16(a)*s16(b)>>16) + c })
	minS16   = narrow(func(a, b, _ uint32) uint32 { return uint32(min(s16(a), s16(b))) })
	maxS16   = narrow(func(a, b, _ uint32) uint32 { return uint32(max(s16(a), s16(b))) })
	absS16   = narrow(func(a, _, _ uint32) uint32 { return uint32(max(s16(a), -s16(a))) })
	neg16    = narrow(func(a, _, _ uint32) uint32 { return -a })
	not16    = narrow(func(a, _, _ uint32) uint32 { return ^a })
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
		c.set(out, func(_ *inst, d, a, b, c *reg32) {
			for i := range d {
				d[i] = uint32(s16(a[i])*s16(b[i])) + c[i]
			}
		})
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
	if n := t.Bits(); t == "" || n != 32 && n != 64 || c.isFloatType(t) {
		c.unknown()
	}
	c.sources(out, t, 2)
	out.d = c.dst(c.first(), t)
	n := t.Bits()
	c.self(out, func(w *warp, in2 *inst, d int32) {
		for m := w.m; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			var a, b uint64
			if n == 64 {
				a, b = w.r64[in2.a][l], w.r64[in2.b][l]
			} else {
				a, b = uint64(w.r32[in2.a][l]), uint64(w.r32[in2.b][l])
			}
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
	})
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
	if n != 32 && n != 64 || c.isFloatType(t) {
		c.unknown()
	}
	s := signed(t)
	c.sources(out, t, 3)
	out.d = c.dst(c.first(), t)
	c.self(out, func(w *warp, in2 *inst, d int32) {
		for m := w.m; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			var p, q, x uint64
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
			if in {
				x = uint64(w.cc >> l & 1)
			}
			r, cout := carryOf(p, q, x, n, false)
			w.put(d, n, l, r)
			if result {
				w.cc = w.cc&^(1<<l) | uint32(cout)<<l
			}
		}
	})
}
