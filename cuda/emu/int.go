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
