package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// Both ends of every octave, both signs, and words from all over: the same bits as rng.Normal32.
func TestNormalsAreThoseOfRNG(t *testing.T) {
	if !haveAVX2 {
		t.Skip("no assembly kernels here")
	}
	words := []uint32{0, math.MaxUint32}
	for k := range 32 {
		words = append(words, 1<<k, 1<<k-1, 1<<k+1, ^uint32(1<<k))
	}
	for i := range uint64(1 << 14) {
		words = append(words, rng.Word(3, i), rng.Word(4, i)>>(i%31))
	}
	z := make([]float32, len(words)+1)
	z[len(words)] = 7
	normalsAVX2(&z[0], &words[0], len(words), rng.NormalTable())
	for i, w := range words {
		require.Equal(t, math.Float32bits(rng.Normal32(w)), math.Float32bits(z[i]), "word %#x", w)
	}
	require.EqualValues(t, 7, z[len(words)])
}

func TestWordsAreThoseOfRNG(t *testing.T) {
	if !haveAVX2 {
		t.Skip("no assembly kernels here")
	}
	for _, key := range []uint64{0, 1, 1 << 32, math.MaxUint64, 0xfedcba9876543210} {
		for _, first := range []uint32{0, 8, 1 << 31, math.MaxUint32 - 24} {
			var words [96 + 1]uint32
			words[96] = 7
			philoxAVX2(&words[0], key, first, 3)
			for i := range uint64(24) {
				require.Equal(t, rng.Philox(key, uint64(first)+i), [4]uint32(words[4*i:]), "key %x, block %d", key, uint64(first)+i)
			}
			require.EqualValues(t, 7, words[96])
		}
	}
}

// Numbers beyond the 32-bit counters of the assembly.
func TestNormalsFarOut(t *testing.T) {
	b := New()
	for _, lo := range []int{0, 1 << 20, (1<<32 - 64) * 4, (1<<32 - 8) * 4, 1 << 40} {
		var z [drawn]float32
		b.engine.normals(&z, 9, lo)
		for i := range z {
			require.Equal(t, rng.Normal32(rng.Word(9, uint64(lo+i))), z[i], "element %d", lo+i)
		}
	}
}

// The quick exponential over all arguments that give a float32, and beyond.
func TestExponential(t *testing.T) {
	for s := -110.0; s < 88.7; s += 0.0137 {
		want := math.Exp(s)
		require.InDelta(t, want, float64(exponential(s)), want*0x1p-24*1.01+0x1p-149, "exp(%g)", s)
	}
	require.EqualValues(t, 0, exponential(-1e9))
	require.EqualValues(t, math.Inf(1), exponential(1e9))
	require.EqualValues(t, math.Inf(1), exponential(699))
	require.True(t, math.IsNaN(float64(exponential(math.NaN()))))
}
