// Package rng gives counter-based random numbers: Philox4x32-10 of Salmon et al.,
// "Parallel random numbers: as easy as 1, 2, 3" (SC'11). A number is a pure
// function of (key, counter), so it can be drawn again in a reverse pass, on
// another device, or by another goroutine, without any state.
package rng

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"math/bits"
)

// Philox is the block function: four 32-bit words from a 64-bit counter and a
// 64-bit key. The upper half of the 128-bit counter is zero.
func Philox(key, counter uint64) [4]uint32 {
	c0, c1, c2, c3 := uint32(counter), uint32(counter>>32), uint32(0), uint32(0)
	k0, k1 := uint32(key), uint32(key>>32)
	for range 10 {
		h0, l0 := bits.Mul32(0xD2511F53, c0)
		h1, l1 := bits.Mul32(0xCD9E8D57, c2)
		c0, c1, c2, c3 = h1^c1^k0, l1, h0^c3^k1, l0
		k0 += 0x9E3779B9
		k1 += 0xBB67AE85
	}
	return [4]uint32{c0, c1, c2, c3}
}

// Word is the word with linear index i: word i mod 4 of block i div 4.
func Word(key, i uint64) uint32 { return Philox(key, i/4)[i%4] }

// Key derives a key from a seed and any number of names and numbers, so that
// each purpose has a stream of its own: Key(seed, "init", "conv1.weight").
// Parts may be strings, ints and uint64s.
func Key(seed uint64, parts ...any) uint64 {
	h := fnv.New64a()
	var b [9]byte
	put := func(kind byte, v uint64) {
		b[0] = kind
		binary.LittleEndian.PutUint64(b[1:], v)
		h.Write(b[:])
	}
	put('s', seed)
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			put('n', uint64(len(p)))
			h.Write([]byte(p))
		case int:
			put('i', uint64(p))
		case uint64:
			put('i', p)
		default:
			panic("rng.Key: parts must be strings, ints or uint64s")
		}
	}
	// One more mixing: FNV alone leaves neighbouring keys similar.
	w := Philox(h.Sum64(), 0x766f786772616421)
	return uint64(w[1])<<32 | uint64(w[0])
}

// Stream draws numbers one after another under one key. The zero counter is the
// start; Pos and Seek save and restore the place. Not for concurrent use.
type Stream struct {
	key  uint64
	next uint64 // linear index of the next word
	blk  [4]uint32
	have bool // blk holds the block of next
}

// New is a stream under Key(seed, parts...).
func New(seed uint64, parts ...any) *Stream { return &Stream{key: Key(seed, parts...)} }

// Pos is the number of words drawn so far.
func (s *Stream) Pos() uint64 { return s.next }

// Seek continues after the first pos words.
func (s *Stream) Seek(pos uint64) { s.next, s.have = pos, false }

// Uint32 is the next word.
func (s *Stream) Uint32() uint32 {
	if !s.have || s.next%4 == 0 {
		s.blk, s.have = Philox(s.key, s.next/4), true
	}
	w := s.blk[s.next%4]
	s.next++
	return w
}

// Uint64 is two words, the first one low.
func (s *Stream) Uint64() uint64 {
	lo := uint64(s.Uint32())
	return uint64(s.Uint32())<<32 | lo
}

// Float64 is uniform in [0, 1) with 53 random bits.
func (s *Stream) Float64() float64 { return float64(s.Uint64()>>11) * 0x1p-53 }

// Uniform is uniform in [lo, hi).
func (s *Stream) Uniform(lo, hi float64) float64 { return lo + (hi-lo)*s.Float64() }

// Intn is uniform in [0, n), without bias. It panics if n < 1.
func (s *Stream) Intn(n int) int {
	if n < 1 {
		panic("rng: Intn needs n ≥ 1")
	}
	for {
		hi, lo := bits.Mul64(s.Uint64(), uint64(n))
		if lo >= -uint64(n)%uint64(n) {
			return int(hi)
		}
	}
}

// Bool is true with probability p.
func (s *Stream) Bool(p float64) bool { return s.Float64() < p }

// Normal is standard normal (Box–Muller, cosine branch; four words each).
func (s *Stream) Normal() float64 {
	u := 1 - s.Float64() // (0, 1]
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*s.Float64())
}

// Direction is a vector of length 1, all directions alike.
func (s *Stream) Direction() (d [3]float64) {
	length := 0.0
	for i := range d {
		d[i] = s.Normal()
		length += d[i] * d[i]
	}
	for i := range d {
		d[i] /= math.Sqrt(length)
	}
	return d
}

// Perm is a random permutation of 0..n-1.
func (s *Stream) Perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		j := s.Intn(i + 1)
		p[i], p[j] = p[j], i
	}
	return p
}
