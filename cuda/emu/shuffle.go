package emu

import (
	"math/bits"

	"voxgrad/cuda/ptx"
)

func init() {
	register("shfl", decodeShuffle)
	register("vote", decodeVote)
	register("match", decodeMatch)
	register("activemask", func(c *compiler, out *inst) {
		c.typ()
		out.d = c.dst(&c.args(1)[0], "b32")
		c.self(out, func(w *warp, in *inst, d int32) {
			for m := w.m; m != 0; m &= m - 1 {
				w.r32[d][bits.TrailingZeros32(m)&31] = w.m
			}
		})
	})
}

// decodeShuffle decodes shfl{.sync}.mode.b32 d{|p}, a, b, c{, mask}.
func decodeShuffle(c *compiler, out *inst) {
	sync := c.take("sync")
	mode := c.takeOf("up", "down", "bfly", "idx")
	if c.typ() != "b32" || mode == "" {
		c.unknown()
	}
	n := 4
	if sync {
		n = 5
	}
	args := c.args(n)
	out.a, out.b, out.c = c.src(&args[1], "b32"), c.src(&args[2], "b32"), c.src(&args[3], "b32")
	out.e = -1
	if args[0].Second != nil {
		out.e = c.dst(args[0].Second, "pred")
	}
	out.d = c.dst(&args[0], "b32")
	mask := int32(-1)
	if sync {
		mask = c.src(&args[4], "b32")
	}
	c.self(out, func(w *warp, in *inst, d int32) {
		if mask >= 0 {
			w.checkMask(in, mask)
		}
		w.shuffle(in, d, mode)
	})
}

// shuffle follows the definition of shfl in the PTX manual: c holds the clamp in its low
// 5 bits and the mask of the segments in bits 8 to 12.
func (w *warp) shuffle(in *inst, d int32, mode string) {
	a := w.r32[in.a] // a copy: d may be the same register
	for l := range lanes(w.m) {
		lane, b := uint32(l), w.r32[in.b][l]&31
		clamp, seg := w.r32[in.c][l]&31, w.r32[in.c][l]>>8&31
		top := lane&seg | clamp&^seg
		bottom := lane & seg
		var j uint32
		var ok bool
		switch mode {
		case "up":
			j = lane - b
			ok = int32(j) >= int32(clamp&^seg|bottom)
		case "down":
			j = lane + b
			ok = j <= top
		case "bfly":
			j = lane ^ b
			ok = j <= top
		case "idx":
			j = bottom | b&^seg
			ok = j <= top
		}
		if !ok {
			j = lane
		}
		if w.m>>j&1 == 0 {
			w.faultLane(in, l, DivergentShuffle, "lane %d reads from lane %d, which does not take part", l, j)
		}
		w.r32[d][l] = a[j&31]
		if in.e >= 0 {
			w.setPred(in.e, l, ok)
		}
	}
}

// decodeVote decodes vote{.sync}.mode d, a{, mask}.
func decodeVote(c *compiler, out *inst) {
	sync := c.take("sync")
	mode := c.takeOf("all", "any", "uni", "ballot")
	t := c.typ()
	n := 2
	if sync {
		n = 3
	}
	args := c.args(n)
	var not bool
	out.a, not = c.pred(&args[1])
	f := flip(not)
	mask := int32(-1)
	if sync {
		mask = c.src(&args[2], "b32")
	}
	out.d = c.dst(&args[0], t)
	if mode == "" || (mode == "ballot") != (t == "b32") {
		c.unknown()
	}
	c.self(out, func(w *warp, in *inst, d int32) {
		if mask >= 0 {
			w.checkMask(in, mask)
		}
		yes := (w.p[in.a] ^ f) & w.m
		var r bool
		switch mode {
		case "ballot":
			for m := w.m; m != 0; m &= m - 1 {
				w.r32[d][bits.TrailingZeros32(m)&31] = yes
			}
			return
		case "all":
			r = yes == w.m
		case "any":
			r = yes != 0
		case "uni":
			r = yes == w.m || yes == 0
		}
		w.p[d] &^= w.m
		if r {
			w.p[d] |= w.m
		}
	})
}

// decodeMatch decodes match.any.sync d, a, mask and match.all.sync d{|p}, a, mask.
func decodeMatch(c *compiler, out *inst) {
	all := c.takeOf("all", "any") == "all"
	if !c.take("sync") {
		c.unknown()
	}
	t := c.typ()
	n := t.Bits()
	args := c.args(3)
	out.a = c.src(&args[1], t)
	mask := c.src(&args[2], "b32")
	out.d, out.e = c.dst(&args[0], "b32"), -1
	if args[0].Second != nil {
		out.e = c.dst(args[0].Second, ptx.Type("pred"))
	}
	c.self(out, func(w *warp, in *inst, d int32) {
		w.checkMask(in, mask)
		for l := range lanes(w.m) {
			var equal uint32
			for o := w.m; o != 0; o &= o - 1 {
				if k := bits.TrailingZeros32(o) & 31; w.get(in.a, n, k) == w.get(in.a, n, l) {
					equal |= 1 << k
				}
			}
			if all && equal != w.m {
				equal = 0
			}
			w.r32[d][l] = equal
			if in.e >= 0 {
				w.setPred(in.e, l, equal != 0)
			}
		}
	})
}
