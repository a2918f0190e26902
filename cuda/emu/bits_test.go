package emu

import (
	"fmt"
	"math"
	"math/bits"
	"testing"
)

func TestBitCounts(t *testing.T) {
	highest := func(v uint64, n int, signed bool) int {
		if signed && v>>(n-1)&1 != 0 {
			v = ^v & (^uint64(0) >> (64 - n))
		}
		for i := n - 1; i >= 0; i-- {
			if v>>i&1 != 0 {
				return i
			}
		}
		return -1
	}
	var cases []opCase
	for _, n := range []int{32, 64} {
		b := fmt.Sprintf("b%d", n)
		cases = append(cases,
			opCase{"popc." + b + " d, x;", "u32", b, func(x, _, _ uint64) uint64 {
				c := uint64(0)
				for ; x != 0; x >>= 1 {
					c += x & 1
				}
				return c
			}},
			opCase{"clz." + b + " d, x;", "u32", b, func(x, _, _ uint64) uint64 { return uint64(n - 1 - highest(x, n, false)) }},
			opCase{"brev." + b + " d, x;", b, b, func(x, _, _ uint64) uint64 {
				var r uint64
				for i := range n {
					r |= x >> i & 1 << (n - 1 - i)
				}
				return r
			}})
		for _, s := range []string{"u", "s"} {
			typ := s + b[1:]
			cases = append(cases,
				opCase{"bfind." + typ + " d, x;", "u32", typ, func(x, _, _ uint64) uint64 { return uint64(highest(x, n, s == "s")) }},
				opCase{"bfind.shiftamt." + typ + " d, x;", "u32", typ, func(x, _, _ uint64) uint64 {
					if h := highest(x, n, s == "s"); h >= 0 {
						return uint64(n - 1 - h)
					}
					return math.MaxUint64
				}})
		}
	}
	testOps(t, cases)
}

// The definitions of bfe and bfi bit by bit, as in the PTX manual.
func TestBitFields(t *testing.T) {
	var cases []opCase
	for _, n := range []int{32, 64} {
		for _, pos := range []int{0, 1, 7, 31, 32, 33, 63, 64, 200} {
			for _, length := range []int{0, 1, 8, 31, 32, 33, 63, 64, 255} {
				for _, s := range []string{"u", "s"} {
					typ := fmt.Sprintf("%s%d", s, n)
					cases = append(cases, opCase{fmt.Sprintf("bfe.%s d, x, %d, %d;", typ, pos, length), typ, typ, func(x, _, _ uint64) uint64 {
						var sign, d uint64
						if s == "s" && length > 0 {
							sign = x >> min(pos+length-1, n-1) & 1
						}
						for i := range n {
							if i < length && pos+i < n {
								d |= x >> (pos + i) & 1 << i
							} else {
								d |= sign << i
							}
						}
						return d
					}})
				}
				b := fmt.Sprintf("b%d", n)
				cases = append(cases, opCase{fmt.Sprintf("bfi.%s d, x, y, %d, %d;", b, pos, length), b, b, func(x, y, _ uint64) uint64 {
					for i := 0; i < length && pos+i < n; i++ {
						y = y&^(1<<(pos+i)) | x>>i&1<<(pos+i)
					}
					return y
				}})
			}
		}
	}
	testOps(t, cases)
}

func TestPermuteAndLop3(t *testing.T) {
	at := func(x, y uint64, i uint64) uint64 { return (y<<32 | x) >> (8 * (i & 7)) & 255 }
	cases := []opCase{
		{"prmt.b32 d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 {
			var r uint64
			for i := range 4 {
				s := z >> (4 * i) & 15
				v := at(x, y, s)
				if s > 7 {
					v = v >> 7 * 255
				}
				r |= v << (8 * i)
			}
			return r
		}},
		{"prmt.b32.f4e d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 { return (y<<32 | x) >> (8 * (z & 3)) }},
		{"prmt.b32.b4e d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 {
			z &= 3
			return at(x, y, z) | at(x, y, z+7)<<8 | at(x, y, z+6)<<16 | at(x, y, z+5)<<24
		}},
		{"prmt.b32.rc8 d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 { return at(x, y, z&3) * 0x01010101 }},
		{"prmt.b32.ecl d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 {
			z &= 3
			return at(x, y, z) | at(x, y, max(z, 1))<<8 | at(x, y, max(z, 2))<<16 | at(x, y, 3)<<24
		}},
		{"prmt.b32.ecr d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 {
			z &= 3
			return at(x, y, 0) | at(x, y, min(z, 1))<<8 | at(x, y, min(z, 2))<<16 | at(x, y, z)<<24
		}},
		{"prmt.b32.rc16 d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 { return x >> (16 * (z & 1)) & 0xffff * 0x10001 }},
	}
	for _, table := range []int{0, 1, 0x80, 0xe8, 0x96, 0xca, 0x3c, 0xfe, 0x1b, 0xff} {
		cases = append(cases, opCase{fmt.Sprintf("lop3.b32 d, x, y, z, %d;", table), "b32", "b32", func(x, y, z uint64) uint64 {
			var r uint64
			for i := range 32 {
				r |= uint64(table) >> (x>>i&1<<2 | y>>i&1<<1 | z>>i&1) & 1 << i
			}
			return r
		}})
	}
	testOps(t, cases)
}

func TestComparisons(t *testing.T) {
	var cases []opCase
	truth := func(b bool) uint64 { return map[bool]uint64{true: 1}[b] }
	integers := map[string]func(c int) bool{
		"eq": func(c int) bool { return c == 0 }, "ne": func(c int) bool { return c != 0 }, "lt": func(c int) bool { return c < 0 },
		"le": func(c int) bool { return c <= 0 }, "gt": func(c int) bool { return c > 0 }, "ge": func(c int) bool { return c >= 0 },
	}
	for _, typ := range []string{"u16", "s16", "u32", "s32", "u64", "s64"} {
		for name, f := range integers {
			cases = append(cases, opCase{"setp." + name + "." + typ + " d, x, y;", "pred", typ, func(x, y, _ uint64) uint64 {
				return truth(f(integer(x, typ).Cmp(integer(y, typ))))
			}})
		}
	}
	for alias, f := range map[string]string{"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"} {
		cases = append(cases, opCase{"setp." + alias + ".u32 d, x, y;", "pred", "u32", func(x, y, _ uint64) uint64 {
			return truth(integers[f](integer(x, "u32").Cmp(integer(y, "u32"))))
		}})
	}
	for typ, value := range map[string]func(v uint64) float64{
		"f32":  func(v uint64) float64 { return float64(math.Float32frombits(uint32(v))) },
		"f64":  math.Float64frombits,
		"f16":  func(v uint64) float64 { return float64(f16to32(uint32(v))) },
		"bf16": func(v uint64) float64 { return float64(math.Float32frombits(uint32(v) << 16)) },
	} {
		reg := fmt.Sprintf("b%d", map[string]int{"f32": 32, "f64": 64, "f16": 16, "bf16": 16}[typ])
		add := func(name string, f func(x, y float64) bool) {
			cases = append(cases, opCase{"setp." + name + "." + typ + " d, x, y;", "pred", reg, func(x, y, _ uint64) uint64 {
				return truth(f(value(x), value(y)))
			}})
		}
		nan := func(x, y float64) bool { return math.IsNaN(x) || math.IsNaN(y) }
		for name, f := range map[string]func(x, y float64) bool{
			"eq": func(x, y float64) bool { return x == y }, "ne": func(x, y float64) bool { return x != y },
			"lt": func(x, y float64) bool { return x < y }, "le": func(x, y float64) bool { return x <= y },
			"gt": func(x, y float64) bool { return x > y }, "ge": func(x, y float64) bool { return x >= y },
		} {
			add(name, func(x, y float64) bool { return !nan(x, y) && f(x, y) })
			add(name+"u", func(x, y float64) bool { return nan(x, y) || f(x, y) })
		}
		add("num", func(x, y float64) bool { return !nan(x, y) })
		add("nan", nan)
	}
	f32 := func(v uint64) float32 { return math.Float32frombits(uint32(v)) }
	testOps(t, append(cases,
		opCase{"setp.lt.ftz.f32 d, x, y;", "pred", "b32", func(x, y, _ uint64) uint64 { return truth(flush(f32(x)) < flush(f32(y))) }},
		opCase{"setp.lt.s32 p, x, 0; setp.gt.and.s32 d, y, 0, p;", "pred", "s32", func(x, y, _ uint64) uint64 {
			return truth(int32(x) < 0 && int32(y) > 0)
		}},
		opCase{"setp.lt.s32 p, x, 0; setp.gt.or.s32 d|q, y, 0, !p;", "pred", "s32", func(x, y, _ uint64) uint64 {
			return truth(int32(x) >= 0 || int32(y) > 0)
		}},
		opCase{"setp.lt.s32 p, x, 0; setp.gt.xor.s32 q|d, y, 0, p;", "pred", "s32", func(x, y, _ uint64) uint64 {
			return truth((int32(x) < 0) != (int32(y) <= 0))
		}},
		opCase{"setp.lt.s32 p, x, 0; setp.lt.s32 q, y, 0; xor.pred d, p, !q; not.pred d, d; and.pred d, d, p; mov.pred q, d; or.pred d, q, q;", "pred", "s32",
			func(x, y, _ uint64) uint64 { return truth(int32(x) < 0 && int32(y) >= 0) }},
		opCase{"set.lt.u32.s32 d, x, y;", "u32", "s32", func(x, y, _ uint64) uint64 { return -truth(int32(x) < int32(y)) }},
		opCase{"set.gt.f32.s32 d, x, y;", "b32", "s32", func(x, y, _ uint64) uint64 { return truth(int32(x) > int32(y)) * 0x3f800000 }},
		opCase{"setp.ne.u64 p, x, y; selp.b64 d, x, z, p;", "u64", "u64", func(x, y, z uint64) uint64 {
			if x != y {
				return x
			}
			return z
		}},
		opCase{"setp.ne.u16 p, x, y; selp.b16 d, x, 7, !p;", "u16", "u16", func(x, y, _ uint64) uint64 {
			if x == y {
				return x
			}
			return 7
		}},
		opCase{"slct.s32.s32 d, x, y, z;", "s32", "s32", func(x, y, z uint64) uint64 {
			if int32(z) >= 0 {
				return x
			}
			return y
		}},
		opCase{"slct.b32.f32 d, x, y, z;", "b32", "b32", func(x, y, z uint64) uint64 {
			if f32(z) >= 0 {
				return x
			}
			return y
		}},
		opCase{"testp.finite.f32 d, x;", "pred", "b32", func(x, _, _ uint64) uint64 { return truth(x>>23&255 != 255) }},
		opCase{"testp.infinite.f32 d, x;", "pred", "b32", func(x, _, _ uint64) uint64 { return truth(x&0x7fffffff == 0x7f800000) }},
		opCase{"testp.number.f32 d, x;", "pred", "b32", func(x, _, _ uint64) uint64 { return truth(x&0x7fffffff <= 0x7f800000) }},
		opCase{"testp.notanumber.f64 d, x;", "pred", "b64", func(x, _, _ uint64) uint64 { return truth(x&(1<<63-1) > 0x7ff<<52) }},
		opCase{"testp.normal.f32 d, x;", "pred", "b32", func(x, _, _ uint64) uint64 { return truth(x>>23&255 != 255 && x>>23&255 != 0) }},
		opCase{"testp.subnormal.f64 d, x;", "pred", "b64", func(x, _, _ uint64) uint64 { return truth(x>>52&2047 == 0 && x<<1 != 0) }},
	))
}

func TestMovesAndVectors(t *testing.T) {
	testOps(t, []opCase{
		{"mov.b32 {h0, h1}, x; mov.b32 d, {h1, h0};", "b32", "b32", func(x, _, _ uint64) uint64 { return x>>16 | x<<16 }},
		{"mov.b64 {t0, t1}, x; mov.b64 d, {t1, t0};", "b64", "b64", func(x, _, _ uint64) uint64 { return bits.RotateLeft64(x, 32) }},
		{"mov.b64 {_, t1}, x; cvt.u64.u32 d, t1;", "b64", "b64", func(x, _, _ uint64) uint64 { return x >> 32 }},
		{"setp.gt.s32 p, x, 0; mov.b32 d, y; @p mov.b32 d, x; @!p add.s32 d, d, 1;", "s32", "s32", func(x, y, _ uint64) uint64 {
			if int32(x) > 0 {
				return x
			}
			return y + 1
		}},
		{"mov.b32 d, 0f3F800000; add.s32 d, d, -1; xor.b32 d, d, x;", "b32", "b32", func(x, _, _ uint64) uint64 { return 0x3f7fffff ^ x }},
		{"mov.f64 d, 1.5;", "b64", "b64", func(_, _, _ uint64) uint64 { return math.Float64bits(1.5) }},
	})
}
