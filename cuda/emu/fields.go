package emu

import (
	"math/bits"
)

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
			if n == 64 {
				r[i] = one(w.r64[in.a][i])
			} else {
				r[i] = one(uint64(w.r32[in.a][i]))
			}
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
			for m := w.m; m != 0; m &= m - 1 {
				l := bits.TrailingZeros32(m) & 31
				w.put(d, n, l, extractBits(w.get(in.a, n, l), w.r32[in.b][l]&255, w.r32[in.c][l]&255, n, s))
			}
		})
		return
	}
	args := c.args(5)
	out.a, out.b = c.src(&args[1], t), c.src(&args[2], t)
	out.c, out.e = c.src(&args[3], "u32"), c.src(&args[4], "u32")
	c.self(out, func(w *warp, in *inst, d int32) {
		for m := w.m; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			pos, length := w.r32[in.c][l]&255, w.r32[in.e][l]&255
			mask := (uint64(1)<<length - 1) << pos // Go's shifts by 64 and more give 0
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
	simple(byType{"b32": each32(func(a, b, sel uint32) uint32 { return permute(mode, a, b, sel) })}, 3)(c, out)
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
