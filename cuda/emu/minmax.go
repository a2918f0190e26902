package emu

import (
	"math"

	"voxgrad/cuda/ptx"
)

// decodeMinMax: of a number and NaN the number, with .NaN the NaN; -0 is less
// than +0.
func decodeMinMax(c *compiler, out *inst) {
	isMax := c.in.Op == "max"
	if !c.isFloat() {
		if isMax {
			simple(byType{"u32": maxU[uint32], "u64": maxU[uint64], "u16": maxU[uint32], "s32": maxS32, "s64": maxS64, "s16": maxS16}, 2)(c, out)
		} else {
			simple(byType{"u32": minU[uint32], "u64": minU[uint64], "u16": minU[uint32], "s32": minS32, "s64": minS64, "s16": minS16}, 2)(c, out)
		}
		return
	}
	t := c.typ()
	ftz, nan := c.take("ftz"), c.take("NaN")
	n := 2
	if len(c.in.Args) == 4 {
		n = 3
	}
	if isHalf(t) {
		c.half(out, t, n, ftz, false, false, func(a, b, x float64) float64 {
			return minMax3(a, b, x, n, isMax, nan)
		})
		return
	}
	c.sources(out, t, n)
	out.d = c.dst(c.first(), t)
	if t == "f64" {
		c.set(out, eachF64(func(a, b, x float64) float64 { return minMax3(a, b, x, n, isMax, nan) }))
		return
	}
	if n == 2 && !nan && !ftz {
		if isMax {
			c.set(out, maxF32)
		} else {
			c.set(out, minF32)
		}
		return
	}
	c.set(out, eachF32(ftz, false, func(a, b, x float32) float32 { return minMax3(a, b, x, n, isMax, nan) }))
}

func isHalf(t ptx.Type) bool { return t == "f16" || t == "f16x2" || t == "bf16" || t == "bf16x2" }

func minMax3[T float32 | float64](a, b, c T, n int, isMax, nan bool) T {
	r := minMax(a, b, isMax, nan)
	if n == 3 {
		r = minMax(r, c, isMax, nan)
	}
	return r
}

func minMax[T float32 | float64](a, b T, isMax, nan bool) T {
	switch {
	case a != a && b != b:
		return a
	case a != a:
		if nan {
			return a
		}
		return b
	case b != b:
		if nan {
			return b
		}
		return a
	case isMax:
		return max(a, b)
	}
	return min(a, b)
}

func maxF32(_ *inst, d, a, b, _ *reg32) {
	x, p, q := f32s(d), f32s(a), f32s(b)
	for i := range x {
		v := max(p[i], q[i]) // NaN if one is
		if v != v {
			if v = minMax(p[i], q[i], true, false); v != v {
				v = nan32
			}
		}
		x[i] = v
	}
}

func minF32(_ *inst, d, a, b, _ *reg32) {
	x, p, q := f32s(d), f32s(a), f32s(b)
	for i := range x {
		v := min(p[i], q[i])
		if v != v {
			if v = minMax(p[i], q[i], false, false); v != v {
				v = nan32
			}
		}
		x[i] = v
	}
}

// floatBits decodes abs and neg, which change the sign bit and nothing else.
func (c *compiler) floatBits(out *inst) {
	negate := c.in.Op == "neg"
	t := c.typ()
	ftz := c.take("ftz")
	c.sources(out, t, 1)
	out.d = c.dst(c.first(), t)
	if t == "f64" {
		c.set(out, each64(func(a, _, _ uint64) uint64 {
			if negate {
				return a ^ 1<<63
			}
			return a &^ (1 << 63)
		}))
		return
	}
	mask := map[ptx.Type]uint32{"f32": 1 << 31, "f16": 0x8000, "bf16": 0x8000, "f16x2": 0x80008000, "bf16x2": 0x80008000}[t]
	c.set(out, each32(func(a, _, _ uint32) uint32 {
		switch {
		case ftz && t == "f32":
			a = math.Float32bits(flush(math.Float32frombits(a)))
		case ftz:
			f := halfFormat(t)
			a = f.flush(a&0xffff) | f.flush(a>>16)<<16
		}
		if negate {
			return a ^ mask
		}
		return a &^ mask
	}))
}

// decodeCopysign: the magnitude of b with the sign of a.
func decodeCopysign(c *compiler, out *inst) {
	simple(byType{
		"f32": each32(func(a, b, _ uint32) uint32 { return b&^(1<<31) | a&(1<<31) }),
		"f64": each64(func(a, b, _ uint64) uint64 { return b&^(1<<63) | a&(1<<63) }),
	}, 2)(c, out)
}
