package rng

import (
	"math"
	"math/bits"
)

// Normal32 is a standard normal number from one word, by inversion of the
// distribution function: with m = 2·(the lower 31 bits) + 1 the tail probability is
// m/2³³, and the top bit is the sign. Its magnitude is at most 6.35.
//
// The quantile is a polynomial of degree 9 for each octave of m, within 3e-8 of the
// true one. Only multiply-adds rounded once occur, so that every device gives the
// same bits.
func Normal32(w uint32) float32 {
	m := w<<1 | 1
	octave := bits.Len32(m) - 1
	s := float64(m)*octaveScale(octave) - 3 // -1 … 1 across the octave
	c := &normalQuantile[octave]
	z := c[9]
	for k := 8; k >= 0; k-- {
		z = math.FMA(z, s, c[k])
	}
	if w>>31 != 0 {
		z = -z
	}
	return float32(z)
}

// octaveScale is 2^(1−octave), so that m in [2^octave, 2^(octave+1)) becomes [2, 4).
func octaveScale(octave int) float64 { return math.Float64frombits(uint64(1024-octave) << 52) }

// NormalTable is the polynomials of Normal32 for kernels that evaluate them themselves; read only.
func NormalTable() *[32][10]float64 { return &normalQuantile }
