package emu

import (
	"math/bits"

	"voxgrad/cuda/ptx"
)

func init() {
	register("mov", decodeMov)
	register("cvta", decodeCvta)
	register("isspacep", decodeIsspacep)
}

func mov[T word](_ *inst, d, a, _, _ *[32]T) { *d = *a }

func decodeMov(c *compiler, out *inst) {
	t := c.typ()
	args := c.args(2)
	switch {
	case args[0].Kind == ptx.KVec:
		c.unpack(out, t, &args[0], &args[1])
		return
	case args[1].Kind == ptx.KVec:
		c.pack(out, t, &args[0], &args[1])
		return
	case t == "pred":
		p, not := c.pred(&args[1])
		out.a, out.d = p, c.dst(&args[0], t)
		f := flip(not)
		c.self(out, func(w *warp, in *inst, d int32) { w.p[d] = w.p[d]&^w.m | (w.p[in.a]^f)&w.m })
		return
	case args[1].Kind == ptx.KSpecial && clock(args[1].Name):
		// A clock counts the warp's instructions.
		out.d = c.dst(&args[0], t)
		n := t.Bits()
		c.self(out, func(w *warp, in *inst, d int32) {
			for m := w.m; m != 0; m &= m - 1 {
				w.put(d, n, bits.TrailingZeros32(m), uint64(w.b.k.mod.d.opt.budget-w.left))
			}
		})
		return
	}
	if n := t.Bits(); n < 16 || n > 64 {
		c.unknown()
	}
	out.a, out.d = c.src(&args[1], t), c.dst(&args[0], t)
	if classOf(t) == class64 {
		c.set(out, mov[uint64])
		return
	}
	c.set(out, mov[uint32])
}

func clock(name string) bool {
	switch name {
	case "%clock", "%clock64", "%clock_hi", "%globaltimer", "%globaltimer_lo", "%globaltimer_hi":
		return true
	}
	return false
}

// parts are the elements of a vector that makes up n bits.
func (c *compiler) parts(v *ptx.Operand, n int) ptx.Type {
	switch n / max(len(v.Elems), 1) {
	case 8:
		return "b8"
	case 16:
		return "b16"
	case 32:
		return "b32"
	}
	c.refuse("%d elements of %d bits", len(v.Elems), n)
	return ""
}

// unpack decodes mov.b64 {a, b}, c: a gets the low bits.
func (c *compiler) unpack(out *inst, t ptx.Type, dst, src *ptx.Operand) {
	n := t.Bits()
	part := c.parts(dst, n)
	out.a = c.src(src, t)
	for i := range dst.Elems {
		out.v = append(out.v, c.dst(&dst.Elems[i], part))
	}
	k := part.Bits()
	c.self(out, func(w *warp, in *inst, _ int32) {
		for l := range lanes(w.m) {
			x := w.get(in.a, n, l)
			for _, s := range in.v {
				w.r32[s][l] = uint32(x & (1<<k - 1))
				x >>= k
			}
		}
	})
}

// pack decodes mov.b64 c, {a, b}.
func (c *compiler) pack(out *inst, t ptx.Type, dst, src *ptx.Operand) {
	n := t.Bits()
	part := c.parts(src, n)
	out.d = c.dst(dst, t)
	for i := range src.Elems {
		out.v = append(out.v, c.src(&src.Elems[i], part))
	}
	k := part.Bits()
	c.self(out, func(w *warp, in *inst, d int32) {
		for l := range lanes(w.m) {
			var x uint64
			for i, s := range in.v {
				x |= uint64(w.r32[s][l]) & (1<<k - 1) << (i * k)
			}
			w.put(d, n, l, x)
		}
	})
}

// Generic addresses of shared and local memory lie in windows above all
// allocations; those of global and constant memory are the addresses themselves.
const (
	sharedWindow = 1 << 62
	localWindow  = 1 << 61
	windowMask   = localWindow - 1
)

// decodeCvta decodes cvta{.to}.space.
func decodeCvta(c *compiler, out *inst) {
	to := c.take("to")
	space := c.takeOf("global", "shared::cta", "shared", "local", "const", "param")
	t := c.typ()
	if t.Bits() != 64 || space == "" || space == "param" {
		c.unknown()
	}
	args := c.args(2)
	out.a, out.d = c.src(&args[1], t), c.dst(&args[0], t)
	var window uint64
	switch space {
	case "shared", "shared::cta":
		window = sharedWindow
	case "local":
		window = localWindow
	}
	switch {
	case window == 0:
		c.set(out, mov[uint64])
	case to:
		c.set(out, each(func(a, _, _ uint64) uint64 { return a - window }))
	default:
		c.set(out, each(func(a, _, _ uint64) uint64 { return a + window }))
	}
}

func decodeIsspacep(c *compiler, out *inst) {
	space := c.takeOf("global", "shared::cta", "shared", "local", "const")
	args := c.args(2)
	out.a, out.d = c.src(&args[1], "b64"), c.dst(&args[0], "pred")
	c.self(out, func(w *warp, in *inst, d int32) {
		for l := range lanes(w.m) {
			a := w.r64[in.a][l]
			var is bool
			switch space {
			case "shared", "shared::cta":
				is = a&sharedWindow != 0
			case "local":
				is = a&localWindow != 0
			default:
				al := w.b.k.mod.d.at(a)
				is = a < localWindow && (al != nil && al.ro) == (space == "const")
			}
			w.setPred(d, l, is)
		}
	})
}

// at is the allocation whose slot holds the address; nil if there is none.
func (d *Device) at(addr uint64) *allocation {
	if s := addr >> slotBits; s < uint64(len(d.slots)) {
		return d.slots[s]
	}
	return nil
}
