package emu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHalvesAndBfloat(t *testing.T) {
	d, m := load(t, "modern")
	f, b := formats["f16"], formats["bf16"]
	x := make([]uint32, 32)
	for i := range x {
		x[i] = uint32(f.put(float64(i)/8)) | uint32(f.put(-1.5*float64(i)))<<16
	}
	y, z := room(t, d, 128), room(t, d, 128)
	require.NoError(t, d.Launch(kernelOf(t, m, "halves"), grid(1, 32), uint64(y), uint64(upload(t, d, x)), uint64(z)))
	gy, gz := download[uint32](t, d, y, 32), download[float32](t, d, z, 32)
	for i := range x {
		lo, hi := float64(i)/8, -1.5*float64(i)
		require.Equal(t, uint32(f.put(f.exactly("fma", "rn", lo, lo, 0.5)))|uint32(f.put(f.exactly("fma", "rn", hi, hi, 0.5)))<<16, gy[i])
		require.Equal(t, float32(lo+hi), gz[i])
	}
	in := randoms(4, 64)
	y = room(t, d, 128)
	require.NoError(t, d.Launch(kernelOf(t, m, "brains"), grid(1, 32), uint64(y), uint64(upload(t, d, in))))
	for i, got := range download[uint32](t, d, y, 32) {
		var want uint32
		for k := range 2 {
			v := b.get(uint64(bf16.from(float64(in[2*i+k]), rn)))
			want |= uint32(b.put(b.exactly("fma", "rn", v, v, v))) << (16 * k)
		}
		require.Equal(t, want, got)
	}
}

// The math library's functions as nvcc inlines them: long sequences of integer and
// floating-point instructions that go wrong visibly if one of them does.
func TestMathLibrary(t *testing.T) {
	d, m := load(t, "modern")
	x := append(randoms(6, 30), 0, 20)
	y, z := room(t, d, 128), room(t, d, 256)
	require.NoError(t, d.Launch(kernelOf(t, m, "functions"), grid(1, 32), uint64(y), uint64(z), uint64(upload(t, d, x))))
	gy, gz := download[float32](t, d, y, 32), download[float64](t, d, z, 32)
	for i, v32 := range x {
		v := float64(v32)
		want := math.Exp(v) + math.Log(math.Abs(v)+1) + math.Sin(v) + math.Cos(float64(100000*v32)) + math.Tanh(v) +
			math.Pow(math.Abs(v), 1.7) + 1/math.Sqrt(v*v+1) + math.Erf(v)
		require.InDelta(t, want, float64(gy[i]), 3e-6*(1+math.Abs(want)), "at %g", v)
		want = math.Exp(v)/3 + math.Sqrt(v*v+1) + math.Log(math.Abs(v)+2) + math.Sin(v)
		require.InDelta(t, want, gz[i], 1e-14*(1+math.Abs(want)), "at %g", v)
	}
}

func TestMatch(t *testing.T) {
	d, m := load(t, "modern")
	x := make([]int32, 32)
	for i := range x {
		x[i] = int32(i * i % 5)
	}
	y := upload(t, d, make([]uint32, 64))
	require.NoError(t, d.Launch(kernelOf(t, m, "matches"), grid(1, 32), uint64(y), uint64(upload(t, d, x))))
	got := download[uint32](t, d, y, 64)
	for i := range x {
		var want uint32
		for k := range x {
			if x[k] == x[i] {
				want |= 1 << k
			}
		}
		require.Equal(t, want, got[i])
		require.Equal(t, uint32(1), got[32+i])
	}
}
