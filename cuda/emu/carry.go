package emu

import (
	"math/bits"
)

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
