package emu

import (
	"math"

	"voxgrad/cuda/ptx"
)

// small is a floating-point format of at most 32 bits.
type small struct {
	mant  int    // bits of the fraction
	emin  int    // exponent of the smallest normal number
	inf   uint32 // bits of infinity
	nan   uint32 // bits of the NaN instructions make
	sign  uint32 // the sign bit
	shift int    // of the fraction in the word
	toF32 func(v uint32) float32
}

var (
	f16  = &small{mant: 10, emin: -14, inf: 0x7c00, nan: 0x7fff, sign: 0x8000, toF32: f16to32}
	bf16 = &small{mant: 7, emin: -126, inf: 0x7f80, nan: 0x7fff, sign: 0x8000,
		toF32: func(v uint32) float32 { return math.Float32frombits(v << 16) }}
	// tf32 lies in the upper 19 bits of a word.
	tf32 = &small{mant: 10, emin: -126, inf: 0xff << 10, nan: 0x7fffffff >> 13, sign: 1 << 18, shift: 13,
		toF32: func(v uint32) float32 { return math.Float32frombits(v &^ (1<<13 - 1)) }}
)

func halfFormat(t ptx.Type) *small {
	if t == "f16" || t == "f16x2" {
		return f16
	}
	return bf16
}

func f16to32(v uint32) float32 {
	sign := v & 0x8000 << 16
	e, m := v>>10&31, v&0x3ff
	switch {
	case e == 31:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	case e == 0:
		f := float32(m) * 0x1p-24
		return math.Float32frombits(math.Float32bits(f) | sign)
	}
	return math.Float32frombits(sign | (e+112)<<23 | m<<13)
}

// from rounds a number into the format; the result is the word.
func (s *small) from(x float64, mode rounding) uint32 {
	if x != x {
		return s.nan << s.shift
	}
	var neg uint32
	if math.Signbit(x) {
		neg = s.sign
	}
	a := math.Abs(x)
	if math.IsInf(a, 0) {
		return (neg | s.inf) << s.shift
	}
	if a == 0 {
		return neg << s.shift
	}
	_, e := math.Frexp(a)
	q := max(e-1, s.emin) - s.mant
	if neg != 0 && mode == rm {
		mode = rp
	} else if neg != 0 && mode == rp {
		mode = rm
	}
	r := integral(math.Ldexp(a, -q), mode)
	// A significand with its leading bit carries into the exponent by itself.
	bits := uint64(q+s.mant-s.emin)<<s.mant + uint64(r)
	if bits >= uint64(s.inf) {
		bits = uint64(s.inf)
		if mode == rz || mode == rm {
			bits--
		}
	}
	return (neg | uint32(bits)) << s.shift
}

// flush replaces a subnormal by zero.
func (s *small) flush(v uint32) uint32 {
	if v&s.inf == 0 {
		return v & s.sign
	}
	return v
}

// half decodes arithmetic of f16, bf16 and their pairs; f computes a lane exactly
// or rounded to odd.
func (c *compiler) half(out *inst, t ptx.Type, n int, ftz, saturated, relu bool, f func(a, b, c float64) float64) {
	format := halfFormat(t)
	one := func(a, b, c uint32) uint32 {
		if ftz {
			a, b, c = format.flush(a), format.flush(b), format.flush(c)
		}
		x := f(float64(format.toF32(a)), float64(format.toF32(b)), float64(format.toF32(c)))
		if saturated {
			x = sat(x)
		}
		if relu && x <= 0 { // -0 too
			x = 0
		}
		r := format.from(x, rn)
		if ftz {
			r = format.flush(r)
		}
		return r
	}
	c.sources(out, t, n)
	out.d = c.dst(c.first(), t)
	if t == "f16" || t == "bf16" {
		c.set(out, each32(one))
		return
	}
	out.flops *= 2
	c.set(out, each32(func(a, b, c uint32) uint32 {
		return one(a&0xffff, b&0xffff, c&0xffff) | one(a>>16, b>>16, c>>16)<<16
	}))
}
