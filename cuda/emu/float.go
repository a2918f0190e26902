package emu

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
