package emu

import (
	"math"

	"voxgrad/cuda/ptx"
)

// arith is a basic operation.
type arith uint8

const (
	arithAdd arith = iota
	arithSub
	arithMul
	arithFma
)

func init() {
	register("fma", func(c *compiler, out *inst) { c.float(out, arithFma, 3) })
	register("min max", decodeMinMax)
	register("copysign", decodeCopysign)
}

// float decodes an operation with n sources and any rounding.
func (c *compiler) float(out *inst, op arith, n int) {
	t := c.typ()
	mode := modeOf(c.takeOf("rn", "rz", "rm", "rp"))
	ftz, saturated, relu := c.take("ftz"), c.take("sat"), c.take("relu")
	out.flops = 1
	if op == arithFma {
		out.flops = 2
	}
	switch t {
	case "f16", "f16x2", "bf16", "bf16x2":
		if mode != rn {
			c.unknown()
		}
		c.half(out, t, n, ftz, saturated, relu, func(a, b, c float64) float64 { return wide(op, a, b, c, rn) })
		return
	}
	if relu {
		c.unknown()
	}
	c.sources(out, t, n)
	out.d = c.dst(c.first(), t)
	switch {
	case t == "f32" && mode == rn && !ftz && !saturated:
		c.set(out, [...]lane32{addF32Fast, subF32Fast, mulF32Fast, fmaF32Fast}[op])
	case t == "f32":
		c.set(out, modeF32(op, mode, ftz, saturated))
	case t == "f64" && !ftz && !saturated:
		c.set(out, modeF64(op, mode))
	default:
		c.unknown()
	}
}

// wide computes an operation on numbers of at most 24 bits so that rounding the
// result to 24 bits or fewer is right in every mode.
func wide(op arith, a, b, c float64, mode rounding) float64 {
	switch op {
	case arithAdd:
		return zeroSum(addOdd(a, b), a, b, mode)
	case arithSub:
		return zeroSum(addOdd(a, -b), a, -b, mode)
	case arithMul:
		return a * b
	}
	p := a * b
	return zeroSum(addOdd(p, c), p, c, mode)
}

func addF32(_ *inst, d, a, b, _ *reg32) {
	x, y, z := f32s(d), f32s(a), f32s(b)
	for i := range x {
		v := y[i] + z[i]
		if v != v {
			v = nan32
		}
		x[i] = v
	}
}

func subF32(_ *inst, d, a, b, _ *reg32) {
	x, y, z := f32s(d), f32s(a), f32s(b)
	for i := range x {
		v := y[i] - z[i]
		if v != v {
			v = nan32
		}
		x[i] = v
	}
}

func mulF32(_ *inst, d, a, b, _ *reg32) {
	x, y, z := f32s(d), f32s(a), f32s(b)
	for i := range x {
		v := y[i] * z[i]
		if v != v {
			v = nan32
		}
		x[i] = v
	}
}

// fma32 is a*b + c with one rounding.
func fma32(a, b, c float32) float32 { return float32(addOdd(float64(a)*float64(b), float64(c))) }

func fmaF32(_ *inst, d, a, b, c *reg32) {
	x, p, q, s := f32s(d), f32s(a), f32s(b), f32s(c)
	for i := range x {
		v := fma32(p[i], q[i], s[i])
		if v != v {
			v = nan32
		}
		x[i] = v
	}
}

// modeF32 makes the form of an operation with a rounding mode, .ftz or .sat.
func modeF32(op arith, mode rounding, ftz, saturated bool) lane32 {
	return eachF32(ftz, saturated, func(a, b, c float32) float32 {
		return toF32(wide(op, float64(a), float64(b), float64(c), mode), mode)
	})
}

// eachF32 makes a function over lanes from one of a lane: flushes, saturates and
// gives every NaN the same bits.
func eachF32(ftz, saturated bool, f func(a, b, c float32) float32) lane32 {
	return func(_ *inst, d, a, b, c *reg32) {
		x, p, q, s := f32s(d), f32s(a), f32s(b), f32s(c)
		for i := range x {
			u, v, w := p[i], q[i], s[i]
			if ftz {
				u, v, w = flush(u), flush(v), flush(w)
			}
			r := f(u, v, w)
			if r != r {
				r = nan32
			}
			if ftz {
				r = flush(r)
			}
			if saturated {
				r = sat(r)
			}
			x[i] = r
		}
	}
}

func eachF64(f func(a, b, c float64) float64) lane64 {
	return func(_ *inst, d, a, b, c *reg64) {
		x, p, q, s := f64s(d), f64s(a), f64s(b), f64s(c)
		for i := range x {
			r := f(p[i], q[i], s[i])
			if r != r {
				r = nan64
			}
			x[i] = r
		}
	}
}

func modeF64(op arith, mode rounding) lane64 {
	switch {
	case op == arithFma:
		return eachF64(func(a, b, c float64) float64 { return fma64(a, b, c, mode) })
	case op == arithMul && mode == rn:
		return eachF64(func(a, b, _ float64) float64 { return a * b })
	case op == arithMul: // -0 keeps the sign of a product of 0
		return eachF64(func(a, b, _ float64) float64 {
			if p := a * b; a == 0 || b == 0 {
				return p
			}
			return fma64(a, b, 0, mode)
		})
	case op == arithAdd && mode == rn:
		return eachF64(func(a, b, _ float64) float64 { return a + b })
	case op == arithAdd:
		return eachF64(func(a, b, _ float64) float64 { return fma64(a, 1, b, mode) })
	case mode == rn:
		return eachF64(func(a, b, _ float64) float64 { return a - b })
	}
	return eachF64(func(a, b, _ float64) float64 { return fma64(a, 1, -b, mode) })
}

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
