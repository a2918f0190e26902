package emu

import (
	"math"
	"unsafe"

	"voxgrad/cuda/ptx"
)

func init() {
	register("setp set", decodeSetp)
	register("selp", decodeSelp)
	register("slct", decodeSlct)
	register("testp", decodeTestp)
}

// decodeSetp decodes setp.op{.bool}.type p{|q}, a, b{, {!}c} and set, whose
// result is a number.
func decodeSetp(c *compiler, out *inst) {
	var dt ptx.Type
	t := c.typ()
	if c.in.Op == "set" {
		dt, t = c.dtypeFirst(t)
	}
	if len(c.mods) == 0 {
		c.unknown()
	}
	op := c.mods[0]
	c.mods = c.mods[1:]
	combine := c.takeOf("and", "or", "xor")
	n := 3
	if combine != "" {
		n = 4
	}
	cmp := c.comparison(op, t)
	args := c.args(n)
	out.a, out.b = c.src(&args[1], t), c.src(&args[2], t)
	var flipC uint32
	if combine != "" {
		var not bool
		out.c, not = c.pred(&args[3])
		flipC = flip(not)
	}
	join := func(w *warp, in *inst, v uint32) uint32 {
		switch combine {
		case "and":
			return v & (w.p[in.c] ^ flipC)
		case "or":
			return v | (w.p[in.c] ^ flipC)
		case "xor":
			return v ^ (w.p[in.c] ^ flipC)
		}
		return v
	}
	if dt != "" {
		c.setNumber(out, dt, func(w *warp, in *inst) uint32 { return join(w, in, cmp(w, in)) })
		return
	}
	out.d, out.e = c.dst(&args[0], "pred"), -1
	if args[0].Second != nil {
		out.e = c.dst(args[0].Second, "pred")
	}
	if combine == "" && out.e < 0 {
		c.self(out, func(w *warp, in *inst, d int32) {
			w.p[d] = w.p[d]&^w.m | cmp(w, in)&w.m
		})
		return
	}
	c.self(out, func(w *warp, in *inst, d int32) {
		v := cmp(w, in)
		p, q := join(w, in, v), join(w, in, ^v)
		w.p[d] = w.p[d]&^w.m | p&w.m
		if in.e >= 0 {
			w.p[in.e] = w.p[in.e]&^w.m | q&w.m
		}
	})
}

// dtypeFirst: set.op.dtype.stype has both types at the end.
func (c *compiler) dtypeFirst(stype ptx.Type) (d, s ptx.Type) {
	d = c.typ()
	if d != "u32" && d != "s32" && d != "f32" {
		c.unknown()
	}
	return d, stype
}

func (c *compiler) setNumber(out *inst, dt ptx.Type, cmp func(w *warp, in *inst) uint32) {
	yes := allLanes
	if dt == "f32" {
		yes = math.Float32bits(1)
	}
	out.d = c.dst(c.first(), dt)
	c.pure(out, dt, func(w *warp, in *inst, d int32) {
		v := cmp(w, in)
		for i := range w.r32[d] {
			w.r32[d][i] = -(v >> i & 1) & yes
		}
	})
}

func decodeSelp(c *compiler, out *inst) {
	t := c.typ()
	args := c.args(4)
	out.a, out.b = c.src(&args[1], t), c.src(&args[2], t)
	p, not := c.pred(&args[3])
	out.c = p
	if not {
		out.a, out.b = out.b, out.a
	}
	out.d = c.dst(&args[0], t)
	if classOf(t) == class64 {
		c.pure(out, t, func(w *warp, in *inst, d int32) { choose(&w.r64[d], &w.r64[in.a], &w.r64[in.b], w.p[in.c]) })
		return
	}
	c.pure(out, t, func(w *warp, in *inst, d int32) { choose(&w.r32[d], &w.r32[in.a], &w.r32[in.b], w.p[in.c]) })
}

func choose[T word](d, a, b *[32]T, p uint32) {
	for i := range d {
		v := b[i]
		if p>>i&1 != 0 {
			v = a[i]
		}
		d[i] = v
	}
}

// decodeSlct decodes slct.type.{s32|f32} d, a, b, c: a where c >= 0.
func decodeSlct(c *compiler, out *inst) {
	ct := c.typ()
	ftz := c.take("ftz")
	t := c.typ()
	args := c.args(4)
	out.a, out.b, out.c = c.src(&args[1], t), c.src(&args[2], t), c.src(&args[3], ct)
	out.d = c.dst(&args[0], t)
	if ct != "s32" && ct != "f32" {
		c.unknown()
	}
	mask := func(w *warp, in *inst) (m uint32) {
		for i, v := range &w.r32[in.c] {
			f := math.Float32frombits(v)
			if ftz {
				f = flush(f)
			}
			if ct == "s32" && int32(v) >= 0 || ct == "f32" && f >= 0 {
				m |= 1 << i
			}
		}
		return m
	}
	if classOf(t) == class64 {
		c.pure(out, t, func(w *warp, in *inst, d int32) { choose(&w.r64[d], &w.r64[in.a], &w.r64[in.b], mask(w, in)) })
		return
	}
	c.pure(out, t, func(w *warp, in *inst, d int32) { choose(&w.r32[d], &w.r32[in.a], &w.r32[in.b], mask(w, in)) })
}

func decodeTestp(c *compiler, out *inst) {
	t := c.typ()
	if len(c.mods) != 1 || t != "f32" && t != "f64" {
		c.unknown()
	}
	what := c.mods[0]
	c.mods = nil
	test, tiny := map[string]func(v float64) bool{
		"finite":     func(v float64) bool { return !math.IsInf(v, 0) && !math.IsNaN(v) },
		"infinite":   func(v float64) bool { return math.IsInf(v, 0) },
		"number":     func(v float64) bool { return !math.IsNaN(v) },
		"notanumber": math.IsNaN,
		"normal":     nil, "subnormal": nil,
	}[what], 0x1p-1022
	if t == "f32" {
		tiny = 0x1p-126
	}
	switch what {
	case "normal":
		test = func(v float64) bool { return math.Abs(v) >= tiny && !math.IsInf(v, 0) }
	case "subnormal":
		test = func(v float64) bool { return v != 0 && math.Abs(v) < tiny }
	}
	if test == nil {
		c.unknown()
	}
	args := c.args(2)
	out.a, out.d = c.src(&args[1], t), c.dst(&args[0], "pred")
	c.self(out, func(w *warp, in *inst, d int32) {
		for l := range lanes(w.m) {
			var v float64
			if t == "f64" {
				v = f64s(&w.r64[in.a])[l]
			} else {
				v = float64(f32s(&w.r32[in.a])[l])
			}
			w.setPred(d, l, test(v))
		}
	})
}

// Registers as floats, the same bits.
func f32s(r *reg32) *[32]float32 { return (*[32]float32)(unsafe.Pointer(r)) }

func f64s(r *reg64) *[32]float64 { return (*[32]float64)(unsafe.Pointer(r)) }

type ordered interface {
	int32 | int64 | uint32 | uint64 | float32 | float64
}

// compare returns a bit for each lane. The last letter u makes a comparison true when
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
