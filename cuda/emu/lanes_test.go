package emu

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// edges are the bit patterns around which floats and integers misbehave.
var edges = []uint32{
	0, 1, 2, 31, 32, 33, 255, 0x7fffff, 0x800000, 0x800001, 0x3f800000, 0x3f7fffff, 0x3f800001, 0x3f000000, 0x40490fdb,
	0x7f7fffff, 0x7f800000, 0x7f800001, 0x7fc00000, 0x7fffffff, 0x80000000, 0x80000001, 0x807fffff, 0x80800000,
	0xbf800000, 0xbf7fffff, 0xff7fffff, 0xff800000, 0xffc00000, 0xffffffff, 0x4b000000, 0x4b800000, 0x5f000000, 0x5f7fffff, 0xcf000000,
}

// words gives registers full of edges and random bits and floats.
func words(r *rand.Rand, n int) []uint32 {
	v := make([]uint32, n)
	for i := range v {
		switch r.IntN(4) {
		case 0:
			v[i] = edges[r.IntN(len(edges))]
		case 1:
			v[i] = r.Uint32()
		case 2:
			v[i] = math.Float32bits(float32(r.NormFloat64()))
		case 3: // close to another in exponent, so that sums cancel
			v[i] = math.Float32bits(1+float32(r.IntN(16))*0x1p-23) ^ r.Uint32()&(1<<31)
		}
	}
	return v
}

func TestAssemblyHasTheBitsOfItsGoForm(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		a, b, c := reg32(words(r, 32)), reg32(words(r, 32)), reg32(words(r, 32))
		for name, f := range map[string][2]lane32{
			"fma": {fmaF32, fmaF32Fast}, "add": {addF32, addF32Fast}, "sub": {subF32, subF32Fast}, "mul": {mulF32, mulF32Fast},
			"iadd": {add[uint32], add32Fast}, "imad": {madLo[uint32], mad32Fast},
		} {
			var want, got reg32
			f[0](nil, &want, &a, &b, &c)
			f[1](nil, &got, &a, &b, &c)
			require.Equal(t, want, got, "%s of %x, %x, %x", name, a, b, c)
		}
		var x, y, want, got reg64
		for i := range x {
			x[i], y[i] = r.Uint64(), r.Uint64()
		}
		add(nil, &want, &x, &y, nil)
		add64Fast(nil, &got, &x, &y, nil)
		require.Equal(t, want, got)

		m := r.Uint32()
		want, got = x, x
		merge(&want, &y, m)
		merge64(&got, &y, m)
		require.Equal(t, want, got)
		want32, got32 := a, a
		merge(&want32, &b, m)
		merge32(&got32, &b, m)
		require.Equal(t, want32, got32)
	}
}

// Factors are bf16 or tf32: their products are exact, so that fusing them with the sum changes nothing.
func TestProductRowsHaveTheBitsOfTheirGoForm(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for range 300 {
		for _, k := range []int{8, 16} {
			var a [256]float64
			var b, want [128]float64
			for i, v := range words(r, len(a)) {
				a[i] = float64(math.Float32frombits(v & 0xffffe000))
			}
			for i, v := range words(r, len(b)) {
				b[i] = float64(math.Float32frombits(v & 0xffffe000))
			}
			for i, v := range words(r, len(want)) {
				want[i] = float64(math.Float32frombits(v))
			}
			got := want
			product(&want, &a, &b, k)
			productFast(&got, &a, &b, k)
			for i := range want {
				require.True(t, got[i] == want[i] || got[i] != got[i] && want[i] != want[i], "%d: %g, %g", i, got[i], want[i])
			}
		}
	}
}
