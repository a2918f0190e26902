package emu

import (
	"fmt"
	"math"
	"math/big"
	"testing"
)

func TestConversionsFromFloat(t *testing.T) {
	var cases []opCase
	for _, from := range []string{"f16", "f32", "f64"} {
		f := formats[from]
		reg := "b" + from[1:]
		for round, mode := range map[string]string{"rni": "rn", "rzi": "rz", "rmi": "rm", "rpi": "rp"} {
			whole := func(x float64) float64 {
				if x != x || math.IsInf(x, 0) || x == 0 {
					return x
				}
				v := new(big.Float).SetPrec(1200).SetFloat64(x)
				e := v.MantExp(nil) - 1
				r := rounded(v, mode, max(e, 0), 0, 1023) // a quantum of 1
				return math.Copysign(r, x)
			}
			for _, to := range []string{"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"} {
				cases = append(cases, opCase{"cvt." + round + "." + to + "." + from + " d, x;", max16(to), reg, func(x, _, _ uint64) uint64 {
					v := f.get(x)
					n := width(to)
					if v != v {
						if from == "f64" || n == 64 {
							return signExtend(1<<(n-1), to)
						}
						return 0
					}
					if math.IsInf(v, 0) {
						v = math.Copysign(1e300, v)
					}
					i, _ := new(big.Float).SetFloat64(whole(v)).Int(nil)
					return signExtend(low(clampTo(i, to), 0, n), to)
				}})
			}
			cases = append(cases, opCase{"cvt." + round + "." + from + "." + from + " d, x;", reg, reg, func(x, _, _ uint64) uint64 {
				return f.put(whole(f.get(x)))
			}})
		}
		cases = append(cases, opCase{"cvt.sat." + from + "." + from + " d, x;", reg, reg, func(x, _, _ uint64) uint64 {
			v := f.get(x)
			if v != v || v <= 0 {
				v = 0
			}
			return f.put(min(v, 1))
		}})
	}
	testOps(t, cases)
}

// max16 is the type of the register a conversion to t goes to.
func max16(t string) string {
	if width(t) == 8 {
		return t[:1] + "16"
	}
	return t
}

// signExtend widens the value of a signed type.
func signExtend(v uint64, t string) uint64 {
	n := width(t)
	if t[0] == 's' {
		return uint64(int64(v<<(64-n)) >> (64 - n))
	}
	return v
}

func TestConversionsBetweenFloats(t *testing.T) {
	var cases []opCase
	round := func(x float64, to format, mode string) float64 {
		if x != x || math.IsInf(x, 0) || x == 0 {
			return x
		}
		r := rounded(new(big.Float).SetPrec(1200).SetFloat64(x), mode, to.mant, to.emin, to.emax)
		return math.Copysign(r, x)
	}
	for _, c := range [][2]string{{"f32", "f64"}, {"f16", "f64"}, {"f16", "f32"}, {"bf16", "f32"}} {
		to, from := formats[c[0]], formats[c[1]]
		regs := [2]string{regName(c[0]), regName(c[1])}
		for _, mode := range []string{"rn", "rz", "rm", "rp"} {
			if c[0] == "bf16" && mode != "rn" && mode != "rz" {
				continue
			}
			cases = append(cases, opCase{"cvt." + mode + "." + c[0] + "." + c[1] + " d, x;", regs[0], regs[1], func(x, _, _ uint64) uint64 {
				return to.put(round(from.get(x), to, mode))
			}})
		}
		cases = append(cases, opCase{"cvt." + c[1] + "." + c[0] + " d, x;", regs[1], regs[0], func(x, _, _ uint64) uint64 {
			return from.put(to.get(x))
		}})
	}
	f32, f16 := formats["f32"], formats["f16"]
	testOps(t, append(cases,
		opCase{"cvt.rn.ftz.f32.f64 d, x;", "b32", "b64", func(x, _, _ uint64) uint64 {
			return f32.put(flushed(round(math.Float64frombits(x), f32, "rn")))
		}},
		opCase{"cvt.rn.f16x2.f32 d, x, y;", "b32", "b32", func(x, y, _ uint64) uint64 {
			return f16.put(round(f32.get(x), f16, "rn"))<<16 | f16.put(round(f32.get(y), f16, "rn"))
		}},
		opCase{"cvt.rn.bf16x2.f32 d, x, y;", "b32", "b32", func(x, y, _ uint64) uint64 {
			b := formats["bf16"]
			return b.put(round(f32.get(x), b, "rn"))<<16 | b.put(round(f32.get(y), b, "rn"))
		}},
		opCase{"cvt.rna.tf32.f32 d, x;", "b32", "b32", func(x, _, _ uint64) uint64 {
			v := f32.get(x)
			if v != v {
				return 0x7fffe000
			}
			return f32.put(round(v, format{mant: 10, emin: -126, emax: 127}, "rna"))
		}},
	))
}

func regName(t string) string { return fmt.Sprintf("b%d", width2(t)) }

func width2(t string) int {
	if t == "bf16" {
		return 16
	}
	return width(t)
}

func TestConversionsFromIntegers(t *testing.T) {
	var cases []opCase
	for _, from := range []string{"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"} {
		reg := max16(from)
		n := width(from)
		value := func(x uint64) *big.Int { return integer(x&(^uint64(0)>>(64-n)), from) }
		for _, to := range []string{"f16", "f32", "f64"} {
			f := formats[to]
			for _, mode := range []string{"rn", "rz", "rm", "rp"} {
				cases = append(cases, opCase{"cvt." + mode + "." + to + "." + from + " d, x;", regName(to), reg, func(x, _, _ uint64) uint64 {
					return f.put(rounded(new(big.Float).SetPrec(80).SetInt(value(x)), mode, f.mant, f.emin, f.emax))
				}})
			}
		}
		for _, to := range []string{"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"} {
			dst := max16(to)
			cases = append(cases, opCase{"cvt." + to + "." + from + " d, x;", dst, reg, func(x, _, _ uint64) uint64 {
				return signExtend(low(value(x), 0, width(to)), to)
			}})
			if width(to) < n || width(to) == n && to != from || to[0] == 'u' && from[0] == 's' { // else it has nothing to do
				cases = append(cases, opCase{"cvt.sat." + to + "." + from + " d, x;", dst, reg, func(x, _, _ uint64) uint64 {
					return signExtend(low(clampTo(value(x), to), 0, width(to)), to)
				}})
			}
			// A register wider than the type gets the sign.
			if width(to) < 32 {
				wide := to[:1] + "32"
				cases = append(cases, opCase{"cvt." + to + "." + from + " d, x;", wide, reg, func(x, _, _ uint64) uint64 {
					return signExtend(low(value(x), 0, width(to)), to)
				}})
			}
		}
	}
	testOps(t, cases)
}
