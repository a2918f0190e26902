package emu

import (
	"slices"

	"voxgrad/cuda/ptx"
)

func init() {
	register("bra", func(c *compiler, out *inst) {
		if c.take("uni") {
			out.flags |= fUni
		}
		args := c.args(1)
		if args[0].Kind != ptx.KLabel {
			c.refuse("target %s is no label", args[0].Name)
		}
		out.kind, out.to = kBranch, int32(args[0].Target)
	})
	register("brx", func(c *compiler, out *inst) {
		if !c.take("idx") {
			c.unknown()
		}
		c.take("uni")
		args := c.args(2)
		if args[1].Kind != ptx.KTable {
			c.refuse("%s is no table of targets", args[1].Name)
		}
		out.kind, out.a = kTable, c.src(&args[0], "u32")
		for _, t := range args[1].Targets {
			out.table = append(out.table, int32(t))
		}
	})
	register("ret exit", func(c *compiler, out *inst) {
		c.take("uni")
		out.kind = kExit
	})
	register("trap brkpt", func(c *compiler, out *inst) {
		why := "the kernel gave up"
		if c.take("assert") {
			why = "an assert failed"
		}
		c.self(out, func(w *warp, in *inst, _ int32) { w.fault(in, Trapped, "%s", why) })
	})
	// Blocks see each other's writes at once here, so fences have nothing to do.
	register("membar fence", func(c *compiler, out *inst) {
		c.takeOf("sc", "acq_rel", "acquire", "release")
		if c.takeOf("cta", "gl", "gpu", "sys", "cluster") == "" {
			c.unknown()
		}
		c.self(out, func(*warp, *inst, int32) {})
	})
	register("bar barrier", decodeBarrier)
	register("nanosleep", func(c *compiler, out *inst) {
		c.typ()
		c.src(&c.args(1)[0], "u32")
		c.self(out, func(*warp, *inst, int32) {})
	})
}

func decodeBarrier(c *compiler, out *inst) {
	if c.take("warp") {
		if !c.take("sync") {
			c.unknown()
		}
		out.a = c.src(&c.args(1)[0], "u32")
		c.self(out, opSyncWarp)
		return
	}
	c.take("cta")
	c.take("aligned")
	out.kind, out.fn, out.b = kBarrier, opBarrier, -1
	args := c.in.Args
	switch {
	case c.take("sync"):
		out.sub = barSync
	case c.take("arrive"):
		out.sub = barArrive
		c.args(2)
	case c.take("red"):
		t := c.typ()
		switch {
		case c.take("popc") && t == "u32":
			out.sub = barPopc
		case c.take("and") && t == "pred":
			out.sub = barAnd
		case c.take("or") && t == "pred":
			out.sub = barOr
		default:
			c.unknown()
		}
		if len(args) < 3 {
			c.refuse("%d operands", len(args))
		}
		out.d = c.dst(&args[0], t)
		var not bool
		if out.c, not = c.pred(&args[len(args)-1]); not {
			out.flags |= fNotC
		}
		args = slices.Clone(args[1 : len(args)-1])
	default:
		c.unknown()
	}
	if len(args) < 1 || len(args) > 2 {
		c.refuse("%d operands", len(args))
	}
	out.a = c.src(&args[0], "u32")
	if len(args) == 2 {
		out.b = c.src(&args[1], "u32")
		c.k.partial = true
	}
}
