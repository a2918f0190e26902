package augment

import "voxgrad/internal/rng"

// Stream is a stream of random numbers, the same on every machine: Uint32, Uint64,
// Float64 and Uniform(lo, hi), Intn(n), Bool(p), Normal and Perm(n) draw; Pos and Seek
// save and restore the place. Not for concurrent use.
type Stream = rng.Stream

// NewStream is a stream of its own for each seed and parts, the names and numbers of what
// is drawn: NewStream(seed, "sample", 7). Parts may be strings, ints and uint64s.
func NewStream(seed uint64, parts ...any) *Stream { return rng.New(seed, parts...) }
