package emu

import (
	"math"
	"math/big"
)

// rounded is the definition of rounding: the neighbours of an exact number among the
// multiples of the format's quantum, and the one the mode asks for. It shares
// nothing with what it tests.
func rounded(x *big.Float, mode string, mant, emin, emax int) float64 {
	if x.Sign() == 0 {
		return 0
	}
	e := x.MantExp(nil) - 1
	q := max(e, emin) - mant
	scaled := new(big.Float).SetPrec(x.Prec()).SetMantExp(x, -q)
	lo, _ := scaled.Int(nil) // toward zero
	rest := new(big.Float).SetPrec(x.Prec()).Sub(scaled, new(big.Float).SetPrec(x.Prec()).SetInt(lo))
	neg := x.Sign() < 0
	lo.Abs(lo)
	rest.Abs(rest)
	up := false
	switch mode {
	case "rn":
		c := rest.Cmp(big.NewFloat(0.5))
		up = c > 0 || c == 0 && lo.Bit(0) == 1
	case "rna":
		up = rest.Cmp(big.NewFloat(0.5)) >= 0
	case "rm":
		up = neg && rest.Sign() != 0
	case "rp":
		up = !neg && rest.Sign() != 0
	}
	if up {
		lo.Add(lo, big.NewInt(1))
	}
	f, _ := new(big.Float).SetInt(lo).Float64()
	r := math.Ldexp(f, q)
	if r >= math.Ldexp(1, emax+1) || math.IsInf(r, 0) {
		r = math.Inf(1)
		if mode == "rz" || mode == "rm" && !neg || mode == "rp" && neg {
			r = math.Ldexp(2-math.Ldexp(1, -mant), emax)
		}
	}
	if neg {
		return -r
	}
	return r
}

type format struct {
	name             string
	mant, emin, emax int
	get              func(v uint64) float64
	put              func(x float64) uint64 // of a number the format holds
}

var formats = map[string]format{
	"f32": {"f32", 23, -126, 127, func(v uint64) float64 { return float64(math.Float32frombits(uint32(v))) }, func(x float64) uint64 {
		if x != x {
			return 0x7fffffff
		}
		return uint64(math.Float32bits(float32(x)))
	}},
	"f64": {"f64", 52, -1022, 1023, math.Float64frombits, func(x float64) uint64 {
		if x != x {
			return 0x7ff8000000000000
		}
		return math.Float64bits(x)
	}},
	"f16":  {"f16", 10, -14, 15, halfValue(10, 5), halfBits(10, -14, 15)},
	"bf16": {"bf16", 7, -126, 127, halfValue(7, 8), halfBits(7, -126, 127)},
}

// halfValue and halfBits are the encodings of 16-bit formats from their definition.
func halfValue(mant, exp int) func(v uint64) float64 {
	return func(v uint64) float64 {
		e, m := int(v>>mant)&(1<<exp-1), float64(v&(1<<mant-1))
		bias := 1<<(exp-1) - 1
		var x float64
		switch {
		case e == 1<<exp-1 && m != 0:
			return math.NaN()
		case e == 1<<exp-1:
			x = math.Inf(1)
		case e == 0:
			x = math.Ldexp(m, 1-bias-mant)
		default:
			x = math.Ldexp(1+m/float64(int(1)<<mant), e-bias)
		}
		if v>>15&1 != 0 {
			return -x
		}
		return x
	}
}

func halfBits(mant, emin, emax int) func(x float64) uint64 {
	return func(x float64) uint64 {
		var v uint64
		if math.Signbit(x) {
			v = 0x8000
		}
		a := math.Abs(x)
		switch {
		case x != x:
			return 0x7fff
		case math.IsInf(x, 0):
			return v | uint64(emax-emin+2)<<mant
		case a < math.Ldexp(1, emin):
			return v | uint64(math.Ldexp(a, mant-emin))
		}
		_, e := math.Frexp(a)
		return v | uint64(e-1-emin+1)<<mant | uint64(math.Ldexp(a, mant-e+1))&(1<<mant-1)
	}
}

// exactly computes op on exact numbers; special values and signs of zero come from
// the same operation in double precision, where they follow the same rules.
func (f format) exactly(op, mode string, x, y, z float64) float64 {
	var native float64
	switch op {
	case "add":
		native = x + y
	case "sub":
		native, y, op = x-y, -y, "add"
	case "mul":
		native = x * y
	case "fma":
		if native = x*y + z; math.IsInf(z, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) && x == x && y == y {
			native = z // x*y may not overflow to the other infinity
		}
	case "div":
		native = x / y
	case "rcp":
		native, y, x, op = 1/x, x, 1, "div"
	case "sqrt":
		native, y = math.Sqrt(x), 0
	}
	if native != native || math.IsInf(x, 0) || math.IsInf(y, 0) || op == "fma" && math.IsInf(z, 0) || op == "div" && y == 0 {
		return native
	}
	const prec = 4600
	b := func(v float64) *big.Float { return new(big.Float).SetPrec(prec).SetFloat64(v) }
	r := new(big.Float).SetPrec(prec)
	switch op {
	case "add":
		r.Add(b(x), b(y))
	case "mul":
		r.Mul(b(x), b(y))
	case "fma":
		r.Add(r.Mul(b(x), b(y)), b(z))
	case "div":
		r.SetPrec(300).Quo(b(x).SetPrec(60), b(y).SetPrec(60))
	case "sqrt":
		r.SetPrec(300).Sqrt(b(x).SetPrec(60))
	}
	if r.Sign() == 0 {
		a, c := x, y // the two terms of the sum
		if op == "fma" {
			a, c = math.Copysign(1, x)*math.Copysign(1, y), z
		}
		if (op == "add" || op == "fma") && math.Signbit(a) != math.Signbit(c) {
			if mode == "rm" {
				return math.Copysign(0, -1)
			}
			return 0
		}
		if op == "fma" && math.Signbit(a) {
			return math.Copysign(0, -1)
		}
		if op == "fma" {
			return 0
		}
		return native
	}
	v := rounded(r, mode, f.mant, f.emin, f.emax)
	if v == 0 && r.Sign() < 0 {
		return math.Copysign(0, -1)
	}
	return v
}
