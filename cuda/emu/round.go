package emu

import (
	"math"
	"math/big"
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
// that rounding it again to a shorter format in any mode gives what rounding the
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
