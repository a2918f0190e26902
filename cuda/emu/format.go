package emu

import (
	"math"
	"math/big"

	"voxgrad/cuda/ptx"
)

// rounding modes.
type rounding uint8

const (
	rn  rounding = iota // to nearest, ties to even
	rz                  // toward zero
	rm                  // down
	rp                  // up
	rna                 // to nearest, ties away from zero
)

func modeOf(name string) rounding {
	switch name {
	case "rz", "rzi":
		return rz
	case "rm", "rmi":
		return rm
	case "rp", "rpi":
		return rp
	case "rna":
		return rna
	}
	return rn
}

// The NaN an instruction makes, whatever NaN went in.
var (
	nan32 = math.Float32frombits(0x7fffffff)
	nan64 = math.Float64frombits(0x7ff8000000000000)
)

// flush replaces a subnormal number by a zero of its sign (.ftz).
func flush(x float32) float32 {
	if b := math.Float32bits(x); b&0x7f800000 == 0 {
		return math.Float32frombits(b & (1 << 31))
	}
	return x
}

// sat clamps to [0, 1]; NaN becomes +0.
func sat[T float32 | float64](x T) T {
	if !(x > 0) {
		return 0
	}
	return min(x, 1)
}

// addOdd is a + b rounded to odd: where it is not exact the last bit is set, so
// that rounding it again to a shorter format in any mode yields what rounding the
// exact sum would (Boldo and Melquiond, "Emulation of a FMA and correctly rounded
// sums: proved algorithms using rounding to odd").
func addOdd(a, b float64) float64 {
	s := a + b
	t := s - a
	err := (a - (s - t)) + (b - t)
	if err != 0 && err == err { // NaN when s is not finite
		if bits := math.Float64bits(s); bits&1 == 0 {
			if (err > 0) == (s > 0) {
				bits++
			} else {
				bits--
			}
			return math.Float64frombits(bits)
		}
	}
	return s
}

// zeroSum is the sign rule of an exact sum of 0 of unlike signs when rounding down.
func zeroSum(s, a, b float64, mode rounding) float64 {
	if s == 0 && mode == rm && math.Signbit(a) != math.Signbit(b) {
		return math.Copysign(0, -1)
	}
	return s
}

// toF32 rounds to 24 bits.
func toF32(x float64, mode rounding) float32 {
	r := float32(x)
	if mode == rn || float64(r) == x || r != r {
		return r
	}
	away := math.Abs(float64(r)) > math.Abs(x) // an overflow to infinity too
	down := mode == rz && x > 0 || mode == rm
	up := mode == rz && x < 0 || mode == rp
	switch {
	case down && float64(r) > x:
		return math.Nextafter32(r, float32(math.Inf(-1)))
	case up && float64(r) < x:
		return math.Nextafter32(r, float32(math.Inf(1)))
	case mode == rz && away:
		return math.Nextafter32(r, 0)
	}
	return r
}

// exact64 rounds the exact value of a float64 expression in a directed mode. It
// is slow: only rare instructions need it.
func exact64(x *big.Float, mode rounding) float64 {
	r, acc := x.Float64()
	switch {
	case acc == big.Exact:
	case acc == big.Above && (mode == rm || mode == rz && x.Sign() > 0):
		return math.Nextafter(r, math.Inf(-1))
	case acc == big.Below && (mode == rp || mode == rz && x.Sign() < 0):
		return math.Nextafter(r, math.Inf(1))
	}
	return r
}

func bigOf(x float64) *big.Float { return new(big.Float).SetPrec(4400).SetFloat64(x) }

// fma64 is a*b + c in any mode.
func fma64(a, b, c float64, mode rounding) float64 {
	r := math.FMA(a, b, c)
	if mode == rn || math.IsNaN(a*b+c) || math.IsInf(a, 0) || math.IsInf(b, 0) || math.IsInf(c, 0) {
		return r
	}
	x := bigOf(a)
	x.Mul(x, bigOf(b)).Add(x, bigOf(c))
	if x.Sign() == 0 {
		return zeroSum(r, a*b, c, mode)
	}
	return exact64(x, mode)
}

// quotient64 and root64 find the rounding of div and sqrt from the sign of the
// remainder.
func quotient64(a, b float64, mode rounding) float64 {
	r := a / b
	if mode == rn || a == 0 || b == 0 || math.IsNaN(r) || math.IsInf(a, 0) || math.IsInf(b, 0) {
		return r
	}
	rest := bigOf(r)
	if math.IsInf(r, 0) {
		rest = bigOf(math.Copysign(math.MaxFloat64, r))
	}
	rest.Mul(rest, bigOf(b)).Sub(bigOf(a), rest) // a - r b
	return nudge(r, rest.Sign()*sign(b), mode)
}

func root64(a float64, mode rounding) float64 {
	r := math.Sqrt(a)
	if mode == rn || !(a > 0) || math.IsInf(a, 0) {
		return r
	}
	rest := bigOf(r)
	return nudge(r, rest.Mul(rest, rest).Sub(bigOf(a), rest).Sign(), mode)
}

func sign(x float64) int {
	if x < 0 {
		return -1
	}
	return 1
}

// nudge corrects r, rounded to nearest, given the sign of exact - r.
func nudge(r float64, side int, mode rounding) float64 {
	if math.IsInf(r, 0) { // side is that of the largest number
		if mode == rz || mode == rm && r > 0 || mode == rp && r < 0 {
			return math.Nextafter(r, 0)
		}
		return r
	}
	switch {
	case side < 0 && (mode == rm || mode == rz && r > 0):
		return math.Nextafter(r, math.Inf(-1))
	case side > 0 && (mode == rp || mode == rz && r < 0):
		return math.Nextafter(r, math.Inf(1))
	}
	return r
}

// integral rounds to an integer.
func integral(x float64, mode rounding) float64 {
	switch mode {
	case rz:
		return math.Trunc(x)
	case rm:
		return math.Floor(x)
	case rp:
		return math.Ceil(x)
	case rna:
		return math.Round(x)
	}
	return math.RoundToEven(x)
}

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
	// tf32 is in the upper 19 bits of a word.
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
		c.set(out, each(one))
		return
	}
	out.flops *= 2
	c.set(out, each(func(a, b, c uint32) uint32 {
		return one(a&0xffff, b&0xffff, c&0xffff) | one(a>>16, b>>16, c>>16)<<16
	}))
}
