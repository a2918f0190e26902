package emu

import (
	"math"
	"math/bits"

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
		for m := w.m; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			var v float64
			if t == "f64" {
				v = f64s(&w.r64[in.a])[l]
			} else {
				v = float64(f32s(&w.r32[in.a])[l])
			}
			w.p[d] &^= 1 << l
			if test(v) {
				w.p[d] |= 1 << l
			}
		}
	})
}
