package emu

import (
	"math"
	"math/big"

	"voxgrad/cuda/ptx"
)

func init() { register("cvt", decodeCvt) }

// decodeCvt decodes cvt{.round}{.ftz}{.sat}.dtype.stype d, a and the packing forms
// cvt.rn.f16x2.f32 d, a, b.
func decodeCvt(c *compiler, out *inst) {
	st := c.typ()
	dt := c.typ()
	name := c.takeOf("rni", "rzi", "rmi", "rpi", "rn", "rz", "rm", "rp", "rna")
	ftz, saturated, relu := c.take("ftz"), c.take("sat"), c.take("relu")
	if isPair(st) || isPair(dt) && len(c.in.Args) != 3 {
		c.unknown()
	}
	if len(c.in.Args) == 3 {
		c.cvtPack(out, dt, st, modeOf(name), relu)
		return
	}
	args := c.args(2)
	out.a = c.wideSrc(&args[1], st)
	if args[0].Kind != ptx.KReg {
		c.refuse("a result that is no register")
	}
	rt := c.fl.regs[args[0].Reg].Type
	if rt.Bits() < dt.Bits() {
		c.refuse("register %s of type .%s is too small", args[0].Name, rt)
	}
	out.d = c.sl.of[args[0].Reg]
	f := c.conversion(dt, st, name, ftz, saturated, relu)
	if signed(dt) { // a wider register gets the sign
		g, n := f, dt.Bits()
		f = func(v uint64) uint64 { return uint64(int64(g(v)<<(64-n)) >> (64 - n)) }
	} else if n := dt.Bits(); n < 64 {
		g := f
		f = func(v uint64) uint64 { return g(v) & (1<<n - 1) }
	}
	if rt.Bits() == 16 {
		g := f
		f = func(v uint64) uint64 { return g(v) & 0xffff }
	}
	if classOf(c.srcType(&args[1], st)) == classOf(st) && c.fastCvt(out, dt, st, rt, name, ftz, saturated) {
		return
	}
	from, to := c.srcType(&args[1], st).Bits(), rt.Bits()
	c.pure(out, rt, func(w *warp, in *inst, d int32) {
		for l := range lanes(w.m) {
			w.put(d, to, l, f(w.get(in.a, from, l)))
		}
	})
}

// srcType is the type whose class the source's slot has: a register may be wider
// than the instruction's type.
func (c *compiler) srcType(o *ptx.Operand, t ptx.Type) ptx.Type {
	if o.Kind == ptx.KReg {
		return c.fl.regs[o.Reg].Type
	}
	return t
}

// wideSrc is src for a register that may be wider than t.
func (c *compiler) wideSrc(o *ptx.Operand, t ptx.Type) int32 {
	if o.Kind != ptx.KReg {
		return c.src(o, t)
	}
	r := c.fl.regs[o.Reg]
	if r.Type.Bits() < t.Bits() || r.Type == "pred" || o.Not {
		c.refuse("register %s of type .%s does not hold a .%s", r.Name, r.Type, t)
	}
	return c.sl.of[o.Reg]
}

// conversion returns the function from the source's bits to the result's.
func (c *compiler) conversion(dt, st ptx.Type, round string, ftz, saturated, relu bool) func(v uint64) uint64 {
	mode := modeOf(round)
	toInt := len(round) == 3 && round != "rna"
	switch {
	case isFloat(st) && isFloat(dt):
		widening := dt.Bits() > st.Bits() || dt == st && dt != "tf32"
		if !widening && dt.Bits() < st.Bits() && round == "" || widening && round != "" && !toInt {
			c.unknown()
		}
		return func(v uint64) uint64 {
			x := decodeFloat(v, st, ftz)
			if toInt {
				x = integral(x, mode)
			}
			if saturated {
				x = sat(x)
			}
			if relu && x <= 0 { // -0 too
				x = 0
			}
			return encodeFloat(x, dt, mode, ftz)
		}
	case isFloat(st):
		if !toInt {
			c.unknown()
		}
		return func(v uint64) uint64 { return floatToInt(decodeFloat(v, st, ftz), dt, st, mode) }
	case isFloat(dt):
		if round == "" || toInt {
			c.unknown()
		}
		return func(v uint64) uint64 {
			x := intToFloat(v, st, dt, mode)
			if saturated {
				return encodeFloat(sat(decodeFloat(x, dt, false)), dt, mode, false)
			}
			return x
		}
	}
	if round != "" || ftz || dt[0] == 'b' || st[0] == 'b' {
		c.unknown()
	}
	ns := st.Bits()
	return func(v uint64) uint64 {
		if signed(st) {
			v = uint64(int64(v<<(64-ns)) >> (64 - ns))
		} else {
			v = v << (64 - ns) >> (64 - ns)
		}
		if saturated {
			return clampInt(v, signed(st), dt)
		}
		return v
	}
}

// cvtPack decodes cvt.rn{.relu}.f16x2.f32 d, a, b: a goes to the upper half.
func (c *compiler) cvtPack(out *inst, dt, st ptx.Type, mode rounding, relu bool) {
	if st != "f32" || dt != "f16x2" && dt != "bf16x2" {
		c.unknown()
	}
	c.sources(out, "f32", 2)
	out.d = c.dst(c.first(), dt)
	format := halfFormat(dt)
	one := func(v uint32) uint32 {
		x := float64(math.Float32frombits(v))
		if relu && x <= 0 { // -0 too
			x = 0
		}
		return format.from(x, mode)
	}
	c.set(out, each(func(a, b, _ uint32) uint32 { return one(a)<<16 | one(b) }))
}

// fastCvt takes over the conversions that inner loops are full of.
func (c *compiler) fastCvt(out *inst, dt, st, rt ptx.Type, round string, ftz, saturated bool) bool {
	if ftz || saturated {
		return false
	}
	switch string(dt) + "<" + string(st) {
	case "u64<u32", "s64<u32":
		c.pure(out, rt, func(w *warp, in *inst, d int32) {
			r, a := &w.r64[d], &w.r32[in.a]
			for i := range r {
				r[i] = uint64(a[i])
			}
		})
	case "s64<s32", "u64<s32":
		c.pure(out, rt, func(w *warp, in *inst, d int32) {
			r, a := &w.r64[d], &w.r32[in.a]
			for i := range r {
				r[i] = uint64(int64(int32(a[i])))
			}
		})
	case "u32<u64", "s32<u64", "u32<s64", "s32<s64":
		if classOf(rt) != class32 {
			return false
		}
		c.pure(out, rt, func(w *warp, in *inst, d int32) {
			r, a := &w.r32[d], &w.r64[in.a]
			for i := range r {
				r[i] = uint32(a[i])
			}
		})
	case "f32<s32":
		if round != "rn" {
			return false
		}
		c.set(out, func(_ *inst, d, a, _, _ *reg32) {
			for i, x := 0, f32s(d); i < 32; i++ {
				x[i] = float32(int32(a[i]))
			}
		})
	default:
		return false
	}
	return true
}

func decodeFloat(v uint64, t ptx.Type, ftz bool) float64 {
	switch t {
	case "f64":
		return math.Float64frombits(v)
	case "f16", "bf16":
		return float64(halfFormat(t).toF32(uint32(v) & 0xffff))
	}
	x := math.Float32frombits(uint32(v))
	if ftz {
		x = flush(x)
	}
	return float64(x)
}

func encodeFloat(x float64, t ptx.Type, mode rounding, ftz bool) uint64 {
	switch t {
	case "f64":
		if x != x {
			x = nan64
		}
		return math.Float64bits(x)
	case "f16", "bf16":
		return uint64(halfFormat(t).from(x, mode))
	case "tf32":
		return uint64(tf32.from(x, mode))
	}
	r := toF32(x, mode)
	if r != r {
		r = nan32
	}
	if ftz {
		r = flush(r)
	}
	return uint64(math.Float32bits(r))
}

// floatToInt clamps to the range of the result. NaN becomes 0, or, when one of
// the types has 64 bits, the bit of the sign, as documented.
func floatToInt(x float64, dt, st ptx.Type, mode rounding) uint64 {
	n := dt.Bits()
	if x != x {
		if st == "f64" || n == 64 {
			return 1 << (n - 1)
		}
		return 0
	}
	x = integral(x, mode)
	if signed(dt) {
		top := math.Ldexp(1, n-1)
		switch {
		case x >= top:
			return 1<<(n-1) - 1
		case x < -top:
			return 1 << (n - 1)
		}
		return uint64(int64(x))
	}
	switch {
	case x <= 0:
		return 0
	case x >= math.Ldexp(1, n):
		return math.MaxUint64 >> (64 - n)
	case x >= 1<<63:
		return uint64(x-1<<63) + 1<<63
	}
	return uint64(x)
}

func intToFloat(v uint64, st, dt ptx.Type, mode rounding) uint64 {
	n := st.Bits()
	neg := false
	if signed(st) {
		v = uint64(int64(v<<(64-n)) >> (64 - n))
		if neg = int64(v) < 0; neg {
			v = -v
		}
	} else {
		v = v << (64 - n) >> (64 - n)
	}
	// The upper 52 bits with a bit that reports whether the rest holds any: a double
	// that rounds like the integer.
	if dt != "f64" && v>>53 != 0 {
		rest := v & (1<<12 - 1)
		if v &^= 1<<12 - 1; rest != 0 {
			v |= 1 << 12
		}
	}
	if dt == "f64" && v>>53 != 0 {
		x := new(big.Float).SetPrec(64).SetUint64(v)
		if neg {
			x.Neg(x)
		}
		return math.Float64bits(exact64(x, mode))
	}
	x := float64(v)
	if neg {
		x = -x
	}
	return encodeFloat(x, dt, mode, false)
}

// clampInt clamps an integer, given with its sign, to the range of dt.
func clampInt(v uint64, sv bool, dt ptx.Type) uint64 {
	n := dt.Bits()
	if signed(dt) {
		top := uint64(1)<<(n-1) - 1
		if sv {
			return uint64(min(max(int64(v), -int64(top)-1), int64(top)))
		}
		return min(v, top)
	}
	if sv && int64(v) < 0 {
		return 0
	}
	return min(v, math.MaxUint64>>(64-n))
}
