package emu

import (
	"math/bits"

	"voxgrad/cuda/ptx"
)

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
