package emu

import (
	"unsafe"

	"voxgrad/cuda/ptx"
)

// Registers as floats, the same bits.
func f32s(r *reg32) *[32]float32 { return (*[32]float32)(unsafe.Pointer(r)) }

func f64s(r *reg64) *[32]float64 { return (*[32]float64)(unsafe.Pointer(r)) }

type ordered interface {
	int32 | int64 | uint32 | uint64 | float32 | float64
}

// compare gives a bit for each lane. The last letter u makes a comparison true when
// a float is NaN.
func compare[T ordered](op string) func(a, b *[32]T) uint32 {
	switch op {
	case "eq":
		return func(a, b *[32]T) (m uint32) {
			for i := range a {
				if a[i] == b[i] {
					m |= 1 << i
				}
			}
			return m
		}
	case "ne": // of floats: ordered
		return func(a, b *[32]T) (m uint32) {
			for i := range a {
				if a[i] < b[i] || a[i] > b[i] {
					m |= 1 << i
				}
			}
			return m
		}
	case "lt", "lo":
		return func(a, b *[32]T) (m uint32) {
			for i := range a {
				if a[i] < b[i] {
					m |= 1 << i
				}
			}
			return m
		}
	case "le", "ls":
		return func(a, b *[32]T) (m uint32) {
			for i := range a {
				if a[i] <= b[i] {
					m |= 1 << i
				}
			}
			return m
		}
	case "gt", "hi":
		f := compare[T]("lt")
		return func(a, b *[32]T) uint32 { return f(b, a) }
	case "ge", "hs":
		f := compare[T]("le")
		return func(a, b *[32]T) uint32 { return f(b, a) }
	}
	return nil
}

// compareFloat adds the comparisons that only floats have.
func compareFloat[T float32 | float64](op string) func(a, b *[32]T) uint32 {
	not := func(inverse string) func(a, b *[32]T) uint32 {
		f := compare[T](inverse)
		return func(a, b *[32]T) uint32 { return ^f(a, b) }
	}
	switch op {
	case "equ":
		return not("ne")
	case "neu":
		return not("eq")
	case "ltu":
		return not("ge")
	case "leu":
		return not("gt")
	case "gtu":
		return not("le")
	case "geu":
		return not("lt")
	case "num":
		return func(a, b *[32]T) (m uint32) {
			for i := range a {
				if a[i] == a[i] && b[i] == b[i] {
					m |= 1 << i
				}
			}
			return m
		}
	case "nan":
		f := compareFloat[T]("num")
		return func(a, b *[32]T) uint32 { return ^f(a, b) }
	case "lo", "ls", "hi", "hs":
		return nil
	}
	return compare[T](op)
}

// comparison is the function of a comparison of type t, over a warp's slots.
func (c *compiler) comparison(op string, t ptx.Type) func(w *warp, in *inst) uint32 {
	ftz := c.take("ftz")
	switch t {
	case "f32":
		f := compareFloat[float32](op)
		if f == nil {
			break
		}
		if ftz {
			return func(w *warp, in *inst) uint32 {
				a, b := *f32s(&w.r32[in.a]), *f32s(&w.r32[in.b])
				for i := range a {
					a[i], b[i] = flush(a[i]), flush(b[i])
				}
				return f(&a, &b)
			}
		}
		return func(w *warp, in *inst) uint32 { return f(f32s(&w.r32[in.a]), f32s(&w.r32[in.b])) }
	case "f64":
		if f := compareFloat[float64](op); f != nil {
			return func(w *warp, in *inst) uint32 { return f(f64s(&w.r64[in.a]), f64s(&w.r64[in.b])) }
		}
	case "f16", "bf16":
		if f := compareFloat[float32](op); f != nil {
			widen := halfFormat(t).toF32
			return func(w *warp, in *inst) uint32 {
				var a, b [32]float32
				for i := range a {
					a[i], b[i] = widen(w.r32[in.a][i]), widen(w.r32[in.b][i])
				}
				return f(&a, &b)
			}
		}
	case "u16", "b16", "u32", "b32":
		if f := compare[uint32](op); f != nil {
			return func(w *warp, in *inst) uint32 { return f(&w.r32[in.a], &w.r32[in.b]) }
		}
	case "s16":
		if f := compare[int32](op); f != nil {
			return func(w *warp, in *inst) uint32 {
				var a, b [32]int32
				for i := range a {
					a[i], b[i] = s16(w.r32[in.a][i]), s16(w.r32[in.b][i])
				}
				return f(&a, &b)
			}
		}
	case "s32":
		if f := compare[int32](op); f != nil {
			return func(w *warp, in *inst) uint32 {
				return f((*[32]int32)(unsafe.Pointer(&w.r32[in.a])), (*[32]int32)(unsafe.Pointer(&w.r32[in.b])))
			}
		}
	case "u64", "b64":
		if f := compare[uint64](op); f != nil {
			return func(w *warp, in *inst) uint32 { return f(&w.r64[in.a], &w.r64[in.b]) }
		}
	case "s64":
		if f := compare[int64](op); f != nil {
			return func(w *warp, in *inst) uint32 {
				return f((*[32]int64)(unsafe.Pointer(&w.r64[in.a])), (*[32]int64)(unsafe.Pointer(&w.r64[in.b])))
			}
		}
	}
	c.unknown()
	return nil
}
