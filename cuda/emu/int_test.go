package emu

import (
	"fmt"
	"math/big"
	"math/bits"
	"strings"
	"testing"
)

// integer is a value of type t ("s32") as the number it stands for.
func integer(v uint64, t string) *big.Int {
	n := width(t)
	x := new(big.Int).SetUint64(v)
	if t[0] == 's' && v>>(n-1)&1 != 0 {
		x.Sub(x, new(big.Int).Lsh(big.NewInt(1), uint(n)))
	}
	return x
}

// low gives bits from..from+n-1 of a number in two's complement.
func low(x *big.Int, from, n int) uint64 {
	y := new(big.Int).Rsh(x, uint(from))
	return y.And(y, new(big.Int).SetUint64(^uint64(0)>>(64-n))).Uint64()
}

// clampTo clamps to the range of a type.
func clampTo(x *big.Int, t string) *big.Int {
	n := uint(width(t))
	lo, hi := big.NewInt(0), new(big.Int).Lsh(big.NewInt(1), n)
	if t[0] == 's' {
		hi.Rsh(hi, 1)
		lo.Neg(hi)
	}
	hi.Sub(hi, big.NewInt(1))
	if x.Cmp(lo) < 0 {
		return lo
	}
	if x.Cmp(hi) > 0 {
		return hi
	}
	return x
}

func TestIntegerArithmetic(t *testing.T) {
	var cases []opCase
	for _, typ := range []string{"u16", "s16", "u32", "s32", "u64", "s64"} {
		n := width(typ)
		num := func(v uint64) *big.Int { return integer(v, typ) }
		bin := func(asm string, f func(r, x, y *big.Int)) {
			cases = append(cases, opCase{asm, typ, typ, func(x, y, _ uint64) uint64 {
				r := new(big.Int)
				f(r, num(x), num(y))
				return low(r, 0, n)
			}})
		}
		bin("add."+typ+" d, x, y;", func(r, x, y *big.Int) { r.Add(x, y) })
		bin("sub."+typ+" d, x, y;", func(r, x, y *big.Int) { r.Sub(x, y) })
		bin("mul.lo."+typ+" d, x, y;", func(r, x, y *big.Int) { r.Mul(x, y) })
		bin("mul.hi."+typ+" d, x, y;", func(r, x, y *big.Int) { r.Mul(x, y).Rsh(r, uint(n)) })
		bin("min."+typ+" d, x, y;", func(r, x, y *big.Int) {
			if r.Set(x); y.Cmp(x) < 0 {
				r.Set(y)
			}
		})
		bin("max."+typ+" d, x, y;", func(r, x, y *big.Int) {
			if r.Set(x); y.Cmp(x) > 0 {
				r.Set(y)
			}
		})
		cases = append(cases,
			opCase{"mad.lo." + typ + " d, x, y, z;", typ, typ, func(x, y, z uint64) uint64 {
				p := new(big.Int).Mul(num(x), num(y))
				return low(p.Add(p, num(z)), 0, n)
			}},
			opCase{"mad.hi." + typ + " d, x, y, z;", typ, typ, func(x, y, z uint64) uint64 {
				p := new(big.Int).Mul(num(x), num(y))
				p.Rsh(p, uint(n))
				return low(p.Add(p, num(z)), 0, n)
			}})
		// Division by zero is refused, so the divisor gets a bit.
		reg := regType(typ)
		divisor := func(y uint64) uint64 { return y | 1 }
		cases = append(cases,
			opCase{"or." + reg + " y, y, 1; div." + typ + " d, x, y;", typ, typ, func(x, y, _ uint64) uint64 {
				return low(new(big.Int).Quo(num(x), num(divisor(y))), 0, n)
			}},
			opCase{"or." + reg + " y, y, 1; rem." + typ + " d, x, y;", typ, typ, func(x, y, _ uint64) uint64 {
				return low(new(big.Int).Rem(num(x), num(divisor(y))), 0, n)
			}})
		if n < 64 {
			wide := fmt.Sprintf("%c%d", typ[0], 2*n)
			cases = append(cases,
				opCase{"mul.wide." + typ + " d, x, y;", wide, typ, func(x, y, _ uint64) uint64 {
					return low(new(big.Int).Mul(num(x), num(y)), 0, 2*n)
				}},
				opCase{"mov." + regType(wide) + " d, 12345; mad.wide." + typ + " d, x, y, d;", wide, typ, func(x, y, _ uint64) uint64 {
					p := new(big.Int).Mul(num(x), num(y))
					return low(p.Add(p, big.NewInt(12345)), 0, 2*n)
				}})
		}
		if n >= 32 {
			cases = append(cases, opCase{"sad." + typ + " d, x, y, z;", typ, typ, func(x, y, z uint64) uint64 {
				r := new(big.Int).Sub(num(x), num(y))
				return low(r.Abs(r).Add(r, num(z)), 0, n)
			}})
		}
		if typ[0] == 's' {
			cases = append(cases,
				opCase{"neg." + typ + " d, x;", typ, typ, func(x, _, _ uint64) uint64 { return -x }},
				opCase{"abs." + typ + " d, x;", typ, typ, func(x, _, _ uint64) uint64 { return low(new(big.Int).Abs(num(x)), 0, n) }})
		}
	}
	s32 := func(v uint64) *big.Int { return integer(v, "s32") }
	sat := func(asm string, f func(r, x, y, z *big.Int)) {
		cases = append(cases, opCase{asm, "s32", "s32", func(x, y, z uint64) uint64 {
			r := new(big.Int)
			f(r, s32(x), s32(y), s32(z))
			return low(clampTo(r, "s32"), 0, 32)
		}})
	}
	sat("add.sat.s32 d, x, y;", func(r, x, y, _ *big.Int) { r.Add(x, y) })
	sat("sub.sat.s32 d, x, y;", func(r, x, y, _ *big.Int) { r.Sub(x, y) })
	sat("mad.hi.sat.s32 d, x, y, z;", func(r, x, y, z *big.Int) { r.Mul(x, y).Rsh(r, 32).Add(r, z) })
	low24 := func(v uint64) uint64 { return v & 0xffffff }
	cases = append(cases,
		opCase{"mul24.lo.u32 d, x, y;", "u32", "u32", func(x, y, _ uint64) uint64 { return low24(x) * low24(y) }},
		opCase{"mul24.hi.u32 d, x, y;", "u32", "u32", func(x, y, _ uint64) uint64 { return low24(x) * low24(y) >> 16 }},
		opCase{"mad24.lo.s32 d, x, y, z;", "s32", "s32", func(x, y, z uint64) uint64 {
			return uint64(int64(x<<40)>>40*(int64(y<<40)>>40)) + z
		}},
		opCase{"dp4a.u32.u32 d, x, y, z;", "u32", "u32", func(x, y, z uint64) uint64 {
			for k := range 4 {
				z += x >> (8 * k) & 255 * (y >> (8 * k) & 255)
			}
			return z
		}},
		opCase{"dp4a.s32.u32 d, x, y, z;", "u32", "u32", func(x, y, z uint64) uint64 {
			for k := range 4 {
				z += uint64(int64(int8(x>>(8*k)))) * (y >> (8 * k) & 255)
			}
			return z
		}})
	testOps(t, cases)
}

func TestCarryChains(t *testing.T) {
	// 128 bits of x:y and z:x in pieces of 64 and of 32.
	testOps(t, []opCase{
		{"add.cc.u64 w0, x, z; addc.u64 d, y, x;", "u64", "u64", func(x, y, z uint64) uint64 {
			_, c := bits.Add64(x, z, 0)
			return x + y + c
		}},
		{"sub.cc.u64 w0, x, z; subc.u64 d, y, x;", "u64", "u64", func(x, y, z uint64) uint64 {
			_, c := bits.Sub64(x, z, 0)
			return y - x - c
		}},
		{"add.cc.u32 t0, x, z; addc.cc.u32 t0, y, x; addc.u32 d, 0, 0;", "u32", "u32", func(x, y, z uint64) uint64 {
			_, c := bits.Add64(y<<32|x, x<<32|z, 0)
			return c
		}},
		{"sub.cc.u32 t0, x, z; subc.cc.u32 t0, y, x; subc.u32 d, 0, 0;", "u32", "u32", func(x, y, z uint64) uint64 {
			_, c := bits.Sub64(y<<32|x, x<<32|z, 0)
			return -c
		}},
		{"mad.lo.cc.u32 t0, x, y, z; madc.hi.u32 d, x, y, 0;", "u32", "u32", func(x, y, z uint64) uint64 { return (x*y + z) >> 32 }},
		{"mad.lo.cc.s32 t0, x, y, z; madc.hi.s32 d, x, y, 0;", "s32", "s32", func(x, y, z uint64) uint64 {
			return (uint64(int64(int32(x))*int64(int32(y))) + z) >> 32
		}},
		{"mad.lo.cc.u64 w0, x, y, z; madc.hi.u64 d, x, y, 0;", "u64", "u64", func(x, y, z uint64) uint64 {
			hi, lo := bits.Mul64(x, y)
			_, c := bits.Add64(lo, z, 0)
			return hi + c
		}},
	})
}

func TestLogicAndShifts(t *testing.T) {
	var cases []opCase
	for _, n := range []int{16, 32, 64} {
		b := fmt.Sprintf("b%d", n)
		mask := ^uint64(0) >> (64 - n)
		cases = append(cases,
			opCase{"and." + b + " d, x, y;", b, b, func(x, y, _ uint64) uint64 { return x & y }},
			opCase{"or." + b + " d, x, y;", b, b, func(x, y, _ uint64) uint64 { return x | y }},
			opCase{"xor." + b + " d, x, y;", b, b, func(x, y, _ uint64) uint64 { return x ^ y }},
			opCase{"not." + b + " d, x;", b, b, func(x, _, _ uint64) uint64 { return ^x }},
			opCase{"cnot." + b + " d, x;", b, b, func(x, _, _ uint64) uint64 {
				if x == 0 {
					return 1
				}
				return 0
			}})
		for _, count := range []int{0, 1, 5, n - 1, n, n + 1, 40, 255} {
			c := fmt.Sprint(count)
			u, s := strings.Replace(b, "b", "u", 1), strings.Replace(b, "b", "s", 1)
			cases = append(cases,
				opCase{"shl." + b + " d, x, " + c + ";", b, b, func(x, _, _ uint64) uint64 { return x << count }},
				opCase{"shr." + u + " d, x, " + c + ";", b, b, func(x, _, _ uint64) uint64 { return x >> count }},
				opCase{"shr." + s + " d, x, " + c + ";", b, b, func(x, _, _ uint64) uint64 {
					return uint64(int64(x<<(64-n))>>(64-n)>>count) & mask
				}})
		}
	}
	testOps(t, append(cases,
		opCase{"shl.b32 d, x, y;", "b32", "b32", func(x, y, _ uint64) uint64 { return x << y }},
		opCase{"shf.l.wrap.b32 d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 { return (y<<32 | x) << (z & 31) >> 32 }},
		opCase{"shf.r.wrap.b32 d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 { return (y<<32 | x) >> (z & 31) }},
		opCase{"shf.l.clamp.b32 d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 {
			v := new(big.Int).SetUint64(y<<32 | x)
			return low(v.Lsh(v, uint(min(z, 32))), 32, 32)
		}},
		opCase{"shf.r.clamp.b32 d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 { return (y<<32 | x) >> min(z, 32) }},
	))
}
