package rng

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Known answers of the authors' Random123 distribution (kat_vectors, philox4x32 10).
func TestPhiloxKnownAnswers(t *testing.T) {
	require.Equal(t, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, Philox(0, 0))
}

func TestStreamIsTheWordsInOrder(t *testing.T) {
	s := New(7, "x")
	k := Key(7, "x")
	for i := range uint64(11) {
		require.Equal(t, Word(k, i), s.Uint32())
	}
	s.Seek(3)
	require.Equal(t, Word(k, 3), s.Uint32())
	require.EqualValues(t, 4, s.Pos())
}

func TestKeysDiffer(t *testing.T) {
	seen := map[uint64]bool{}
	for _, k := range []uint64{Key(1), Key(2), Key(1, "a"), Key(1, "a", "b"), Key(1, "ab"), Key(1, 3), Key(1, 4)} {
		require.False(t, seen[k])
		seen[k] = true
	}
}

func TestMoments(t *testing.T) {
	s := New(1)
	const n = 200000
	var m, v, u float64
	for range n {
		x := s.Normal()
		m += x
		v += x * x
		u += s.Float64()
	}
	require.InDelta(t, 0, m/n, 4/math.Sqrt(n))
	require.InDelta(t, 1, v/n, 4*math.Sqrt(2.0/n))
	require.InDelta(t, 0.5, u/n, 4*math.Sqrt(1.0/12/n))
}

func TestIntnAndPerm(t *testing.T) {
	s := New(3)
	hist := make([]int, 7)
	for range 70000 {
		hist[s.Intn(7)]++
	}
	for _, h := range hist {
		require.InDelta(t, 10000, h, 400)
	}
	seen := make([]bool, 20)
	for _, i := range s.Perm(20) {
		require.False(t, seen[i])
		seen[i] = true
	}
}
