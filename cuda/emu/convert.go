package emu

import (
	"math"
	"math/big"

	"voxgrad/cuda/ptx"
)

func isFloatName(t ptx.Type) bool {
	switch t {
	case "f16", "bf16", "f32", "f64", "tf32":
		return true
	}
	return false
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
	// The upper 52 bits with a bit that tells whether the rest holds any: a double
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
