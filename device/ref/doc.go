// Package ref is the oracle among the backends: every operation is the loop in
// the comment of package device, written out, with nothing done for speed.
//
// All arithmetic is float64; the type parameter says what is stored. So the
// float64 backend is what others are measured against, and the float32 one
// shows how much of a difference storing float32 alone makes: each result is
// the float64 one rounded once.
//
// It is strict where other backends may be lenient: memory starts as NaN and
// becomes NaN again when it is freed, a freed or foreign tensor panics, and so
// does an output that overlaps an input where the operation does not allow it.
package ref
