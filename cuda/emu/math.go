package emu

import "math"

func init() {
	register("rcp sqrt rsqrt", decodeRoot)
	register("ex2 lg2 sin cos tanh", decodeApprox)
}

// floatDiv decodes div.f32 and div.f64. div.full and div.approx, which may be 2 ulp
// off, are rounded to nearest here; div.approx gives 0 for divisors beyond 2^126
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
// its last bit tells whether something was cut off.
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
