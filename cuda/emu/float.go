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

// The Go forms of what lanes_amd64.s has in assembly.
var (
	addF32 = eachF32(false, false, func(a, b, _ float32) float32 { return a + b })
	subF32 = eachF32(false, false, func(a, b, _ float32) float32 { return a - b })
	mulF32 = eachF32(false, false, func(a, b, _ float32) float32 { return a * b })
	fmaF32 = eachF32(false, false, fma32)
)

// fma32 is a*b + c with one rounding.
func fma32(a, b, c float32) float32 { return float32(addOdd(float64(a)*float64(b), float64(c))) }

// modeF32 makes the form of an operation with a rounding mode, .ftz or .sat.
func modeF32(op arith, mode rounding, ftz, saturated bool) lane32 {
	return eachF32(ftz, saturated, func(a, b, c float32) float32 {
		return toF32(wide(op, float64(a), float64(b), float64(c), mode), mode)
	})
}

// eachF32 makes a function over lanes from one of a lane: flushes, saturates and
// makes every NaN the same.
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
			simple(byType{"u32": maxU[uint32], "u64": maxU[uint64], "u16": maxU[uint32], "s32": maxS32, "s64": each(func(a, b, _ uint64) uint64 { return uint64(max(int64(a), int64(b))) }),
				"s16": narrow(func(a, b, _ uint32) uint32 { return uint32(max(s16(a), s16(b))) })}, 2)(c, out)
		} else {
			simple(byType{"u32": minU[uint32], "u64": minU[uint64], "u16": minU[uint32], "s32": minS32, "s64": each(func(a, b, _ uint64) uint64 { return uint64(min(int64(a), int64(b))) }),
				"s16": narrow(func(a, b, _ uint32) uint32 { return uint32(min(s16(a), s16(b))) })}, 2)(c, out)
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
		c.set(out, each(func(a, _, _ uint64) uint64 {
			if negate {
				return a ^ 1<<63
			}
			return a &^ (1 << 63)
		}))
		return
	}
	mask := map[ptx.Type]uint32{"f32": 1 << 31, "f16": 0x8000, "bf16": 0x8000, "f16x2": 0x80008000, "bf16x2": 0x80008000}[t]
	c.set(out, each(func(a, _, _ uint32) uint32 {
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
		"f32": each(func(a, b, _ uint32) uint32 { return b&^(1<<31) | a&(1<<31) }),
		"f64": each(func(a, b, _ uint64) uint64 { return b&^(1<<63) | a&(1<<63) }),
	}, 2)(c, out)
}

func init() {
	register("rcp sqrt rsqrt", decodeRoot)
	register("ex2 lg2 sin cos tanh", decodeApprox)
}

// floatDiv decodes div.f32 and div.f64. div.full and div.approx, which may be 2 ulp
// off, are rounded to nearest here; div.approx returns 0 for divisors beyond 2^126
// as documented.
func (c *compiler) floatDiv(out *inst) {
	t := c.typ()
	how := c.takeOf("rn", "rz", "rm", "rp", "full", "approx")
	ftz := c.take("ftz")
	mode := modeOf(how)
	c.sources(out, t, 2)
	out.d, out.flops = c.dst(c.first(), t), 1
	switch {
	case t == "f64" && !ftz && how != "full" && how != "approx":
		c.set(out, eachF64(func(a, b, _ float64) float64 { return quotient64(a, b, mode) }))
	case t == "f32" && how == "approx":
		c.set(out, eachF32(ftz, false, func(a, b, _ float32) float32 {
			if x := math.Abs(float64(b)); x > 0x1p126 && !math.IsInf(x, 0) {
				return a * float32(math.Copysign(0, float64(b)))
			}
			return a / b
		}))
	case t == "f32" && mode == rn:
		c.set(out, eachF32(ftz, false, func(a, b, _ float32) float32 { return a / b }))
	case t == "f32":
		c.set(out, eachF32(ftz, false, func(a, b, _ float32) float32 { return quotient32(a, b, mode) }))
	default:
		c.unknown()
	}
}

// quotient32 rounds a/b in any mode: a double holds enough of the quotient once
// its last bit reports whether something was cut off.
func quotient32(a, b float32, mode rounding) float32 {
	q := float64(a) / float64(b)
	if q == 0 || math.IsInf(q, 0) || q != q || math.IsInf(float64(b), 0) {
		return float32(q)
	}
	return toF32(sticky(q, math.FMA(-q, float64(b), float64(a))*math.Copysign(1, float64(b))), mode)
}

// sticky makes q, rounded to nearest, round to odd, given the sign of exact - q.
func sticky(q, rest float64) float64 {
	if rest == 0 {
		return q
	}
	bits := math.Float64bits(q)
	if bits&1 == 0 {
		if (rest > 0) == (q > 0) {
			bits++
		} else {
			bits--
		}
	}
	return math.Float64frombits(bits)
}

func decodeRoot(c *compiler, out *inst) {
	t := c.typ()
	how := c.takeOf("rn", "rz", "rm", "rp", "approx")
	ftz := c.take("ftz")
	mode, op := modeOf(how), c.in.Op
	if how == "" || op == "rsqrt" && how != "approx" {
		c.unknown()
	}
	c.sources(out, t, 1)
	out.d, out.flops = c.dst(c.first(), t), 1
	switch {
	case t == "f64" && how == "approx":
		// rcp.approx.ftz.f64 and its kin read and write the upper half only.
		if !ftz || op == "sqrt" {
			c.unknown()
		}
		c.set(out, eachF64(func(a, _, _ float64) float64 {
			a = high(a)
			if op == "rcp" {
				return high(1 / a)
			}
			return high(1 / math.Sqrt(a))
		}))
	case t == "f64" && !ftz:
		c.set(out, eachF64(func(a, _, _ float64) float64 {
			if op == "rcp" {
				return quotient64(1, a, mode)
			}
			return root64(a, mode)
		}))
	case t == "f32" && op == "rcp":
		c.set(out, eachF32(ftz, false, func(a, _, _ float32) float32 { return quotient32(1, a, mode) }))
	case t == "f32" && op == "rsqrt":
		c.set(out, eachF32(ftz, false, func(a, _, _ float32) float32 { return float32(1 / math.Sqrt(float64(a))) }))
	case t == "f32":
		c.set(out, eachF32(ftz, false, func(a, _, _ float32) float32 {
			r := math.Sqrt(float64(a))
			if r == 0 || r != r || math.IsInf(r, 0) {
				return float32(r)
			}
			return toF32(sticky(r, math.FMA(-r, r, float64(a))), mode)
		}))
	default:
		c.unknown()
	}
}

// high keeps the upper half of a double, flushing subnormals.
func high(a float64) float64 {
	b := math.Float64bits(a) &^ (1<<32 - 1)
	if b&(0x7ff<<52) == 0 {
		b &= 1 << 63
	}
	return math.Float64frombits(b)
}

// decodeApprox: computed in double precision and rounded, which is within the
// documented error of the hardware's approximations and not the same bits.
func decodeApprox(c *compiler, out *inst) {
	if !c.take("approx") {
		c.unknown()
	}
	t, ftz := c.typ(), c.take("ftz")
	f := map[string]func(float64) float64{
		"ex2": math.Exp2, "lg2": math.Log2, "sin": math.Sin, "cos": math.Cos, "tanh": math.Tanh,
	}[c.in.Op]
	out.flops = 1
	if isHalf(t) && (c.in.Op == "ex2" || c.in.Op == "tanh") {
		c.half(out, t, 1, ftz, false, false, func(a, _, _ float64) float64 { return f(a) })
		return
	}
	if t != "f32" {
		c.unknown()
	}
	c.sources(out, t, 1)
	out.d = c.dst(c.first(), t)
	c.set(out, eachF32(ftz, false, func(a, _, _ float32) float32 { return float32(f(float64(a))) }))
}
