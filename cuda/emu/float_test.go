package emu

import (
	"fmt"
	"math"
	"testing"
)

// flushed is .ftz from its definition.
func flushed(x float64) float64 {
	if math.Abs(x) < 0x1p-126 {
		return math.Copysign(0, x)
	}
	return x
}

func TestFloatArithmeticInEveryMode(t *testing.T) {
	var cases []opCase
	for _, typ := range []string{"f32", "f64"} {
		f, reg := formats[typ], "b"+typ[1:]
		for op, asm := range map[string]string{
			"add": "add%s.%s d, x, y;", "sub": "sub%s.%s d, x, y;", "mul": "mul%s.%s d, x, y;", "fma": "fma%s.%s d, x, y, z;",
			"div": "div%s.%s d, x, y;", "rcp": "rcp%s.%s d, x;", "sqrt": "sqrt%s.%s d, x;",
		} {
			for _, mode := range []string{"rn", "rz", "rm", "rp"} {
				cases = append(cases, opCase{fmt.Sprintf(asm, "."+mode, typ), reg, reg, func(x, y, z uint64) uint64 {
					return f.put(f.exactly(op, mode, f.get(x), f.get(y), f.get(z)))
				}})
			}
			if typ == "f64" {
				continue
			}
			cases = append(cases, opCase{fmt.Sprintf(asm, ".rn.ftz", typ), reg, reg, func(x, y, z uint64) uint64 {
				r := f.exactly(op, "rn", flushed(f.get(x)), flushed(f.get(y)), flushed(f.get(z)))
				return f.put(flushed(r))
			}})
			if op != "div" && op != "rcp" && op != "sqrt" {
				cases = append(cases, opCase{fmt.Sprintf(asm, ".rn.sat", typ), reg, reg, func(x, y, z uint64) uint64 {
					r := f.exactly(op, "rn", f.get(x), f.get(y), f.get(z))
					if r != r || r <= 0 {
						r = 0
					}
					return f.put(min(r, 1))
				}})
			}
		}
	}
	testOps(t, cases)
}

func TestHalfArithmetic(t *testing.T) {
	var cases []opCase
	for _, typ := range []string{"f16", "bf16"} {
		f := formats[typ]
		one := func(op string) func(x, y, z uint64) uint64 {
			return func(x, y, z uint64) uint64 { return f.put(f.exactly(op, "rn", f.get(x), f.get(y), f.get(z))) }
		}
		two := func(op string) func(x, y, z uint64) uint64 {
			return func(x, y, z uint64) uint64 {
				return one(op)(x&0xffff, y&0xffff, z&0xffff) | one(op)(x>>16, y>>16, z>>16)<<16
			}
		}
		for op, asm := range map[string]string{"add": "add%s d, x, y;", "sub": "sub%s d, x, y;", "mul": "mul%s d, x, y;", "fma": "fma.rn%s d, x, y, z;"} {
			cases = append(cases,
				opCase{fmt.Sprintf(asm, "."+typ), "b16", "b16", one(op)},
				opCase{fmt.Sprintf(asm, "."+typ+"x2"), "b32", "b32", two(op)})
		}
		cases = append(cases,
			opCase{"fma.rn.relu." + typ + " d, x, y, z;", "b16", "b16", func(x, y, z uint64) uint64 {
				r := f.exactly("fma", "rn", f.get(x), f.get(y), f.get(z))
				if r <= 0 {
					r = 0
				}
				return f.put(r)
			}},
			opCase{"neg." + typ + " d, x;", "b16", "b16", func(x, _, _ uint64) uint64 { return x ^ 0x8000 }},
			opCase{"abs." + typ + "x2 d, x;", "b32", "b32", func(x, _, _ uint64) uint64 { return x & 0x7fff7fff }},
			opCase{"max." + typ + " d, x, y;", "b16", "b16", func(x, y, _ uint64) uint64 { return f.put(refMinMax(f.get(x), f.get(y), true)) }},
			opCase{"min." + typ + " d, x, y;", "b16", "b16", func(x, y, _ uint64) uint64 { return f.put(refMinMax(f.get(x), f.get(y), false)) }})
	}
	testOps(t, cases)
}

// refMinMax: a number beats NaN, +0 is greater than -0.
func refMinMax(x, y float64, isMax bool) float64 {
	switch {
	case x != x:
		return y
	case y != y:
		return x
	case isMax == (x > y || x == y && math.Signbit(y)):
		return x
	}
	return y
}

func TestMinMaxAndSigns(t *testing.T) {
	var cases []opCase
	for _, typ := range []string{"f32", "f64"} {
		f, reg := formats[typ], "b"+typ[1:]
		top := uint64(1) << (width(typ) - 1)
		for _, isMax := range []bool{true, false} {
			name := map[bool]string{true: "max", false: "min"}[isMax]
			cases = append(cases, opCase{name + "." + typ + " d, x, y;", reg, reg, func(x, y, _ uint64) uint64 {
				return f.put(refMinMax(f.get(x), f.get(y), isMax))
			}})
			if typ == "f32" {
				cases = append(cases,
					opCase{name + ".ftz.f32 d, x, y;", reg, reg, func(x, y, _ uint64) uint64 {
						return f.put(refMinMax(flushed(f.get(x)), flushed(f.get(y)), isMax))
					}},
					opCase{name + ".NaN.f32 d, x, y;", reg, reg, func(x, y, _ uint64) uint64 {
						if a, b := f.get(x), f.get(y); a != a || b != b {
							return 0x7fffffff
						}
						return f.put(refMinMax(f.get(x), f.get(y), isMax))
					}})
			}
		}
		cases = append(cases,
			opCase{"neg." + typ + " d, x;", reg, reg, func(x, _, _ uint64) uint64 { return x ^ top }},
			opCase{"abs." + typ + " d, x;", reg, reg, func(x, _, _ uint64) uint64 { return x &^ top }},
			opCase{"copysign." + typ + " d, x, y;", reg, reg, func(x, y, _ uint64) uint64 { return y&^top | x&top }})
	}
	cases = append(cases, opCase{"neg.ftz.f32 d, x;", "b32", "b32", func(x, _, _ uint64) uint64 {
		if x>>23&255 == 0 {
			x &= 1 << 31
		}
		return x ^ 1<<31
	}})
	testOps(t, cases)
}

// Approximations are compared with bounds, and exactly where the manual fixes the
// result.
func TestApproximations(t *testing.T) {
	f := formats["f32"]
	for _, c := range []struct {
		name string
		f    func(x float64) float64
		rel  float64 // of the result
		abs  float64
		ok   func(x float64) bool // where the bound holds
	}{
		{"rcp.approx.f32", func(x float64) float64 { return 1 / x }, 0x1p-23, 0x1p-149, nil},
		{"rsqrt.approx.f32", func(x float64) float64 { return 1 / math.Sqrt(x) }, 1.8e-7, 0, nil},
		{"sqrt.approx.f32", math.Sqrt, 0x1p-23, 0, nil},
		{"ex2.approx.f32", math.Exp2, 0x1p-22, 0x1p-149, nil},
		{"lg2.approx.f32", math.Log2, 0x1p-22, 1.57e-7, nil},
		{"sin.approx.f32", math.Sin, 0, 5.1e-7, func(x float64) bool { return math.Abs(x) <= math.Pi }},
		{"cos.approx.f32", math.Cos, 0, 5.1e-7, func(x float64) bool { return math.Abs(x) <= math.Pi }},
		{"tanh.approx.f32", math.Tanh, 0x1p-11, 0x1p-149, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			runApprox(t, c.name+" d, x;", func(x uint64, got float64) bool {
				v := f.get(x)
				want := c.f(v)
				switch {
				case c.ok != nil && !c.ok(v):
					return true
				case want != want:
					return got != got
				case math.Abs(want) > math.MaxFloat32:
					return math.IsInf(got, 0) || math.Abs(got) > math.MaxFloat32/2
				}
				return math.Abs(got-want) <= c.rel*math.Abs(want)+c.abs && (want != 0 || math.Signbit(want) == math.Signbit(got))
			})
		})
	}
	special := func(x, y uint64) float64 { // div.approx
		a, b := f.get(x), f.get(y)
		if m := math.Abs(b); m > 0x1p126 && !math.IsInf(m, 0) {
			return a * math.Copysign(0, b)
		}
		return f.exactly("div", "rn", a, b, 0)
	}
	testOps(t, []opCase{
		{"div.approx.f32 d, x, y;", "b32", "b32", func(x, y, _ uint64) uint64 { return f.put(special(x, y)) }},
		{"div.full.f32 d, x, y;", "b32", "b32", func(x, y, _ uint64) uint64 { return f.put(f.exactly("div", "rn", f.get(x), f.get(y), 0)) }},
		{"div.full.ftz.f32 d, x, y;", "b32", "b32", func(x, y, _ uint64) uint64 {
			return f.put(flushed(f.exactly("div", "rn", flushed(f.get(x)), flushed(f.get(y)), 0)))
		}},
		{"rcp.approx.ftz.f64 d, x;", "b64", "b64", func(x, _, _ uint64) uint64 {
			return math.Float64bits(cut(formats["f64"].put(1 / cut(x))))
		}},
	})
}

// cut keeps the upper half of a double and flushes subnormals.
func cut(v uint64) float64 {
	v = v >> 32 << 32
	if v>>52&2047 == 0 {
		v = v >> 63 << 63
	}
	return math.Float64frombits(v)
}
