package emu

import (
	"math/bits"
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

// barrier is one of the 16 barriers of a block.
type barrier struct {
	expected int // threads, 0 while nobody has come
	arrived  int
	full     bool // expects all threads of the block
	waiting  []*warp
	clock    []uint32
	ones     int // bar.red: threads with a true predicate
	pc       int32
}

// barrier operations, inst.sub.
const (
	barSync uint8 = iota
	barArrive
	barPopc
	barAnd
	barOr
)

// opBarrier: a is the slot of the barrier's number, b of the number of threads
// (-1: all), c of bar.red's predicate.
func opBarrier(w *warp, in *inst, d int32) {
	b := w.b
	if gone := w.all&^w.live | w.leaving(); gone != 0 {
		w.faultLane(in, bits.TrailingZeros32(gone), MissingBarrier, "%d threads of warp %d exited before it", bits.OnesCount32(gone), w.id)
	}
	if w.m != w.live {
		w.fault(in, DivergentBarrier, "%d of the %d threads of warp %d reach it together, the others took another branch",
			bits.OnesCount32(w.m), bits.OnesCount32(w.live), w.id)
	}
	first := bits.TrailingZeros32(w.m) & 31
	uniform := func(slot int32, what string) int {
		for m := w.m; m != 0; m &= m - 1 {
			if w.r32[slot][bits.TrailingZeros32(m)&31] != w.r32[slot][first] {
				w.fault(in, DivergentBarrier, "threads of a warp have different %s", what)
			}
		}
		return int(w.r32[slot][first])
	}
	id, want, full := uniform(in.a, "barriers"), 32*len(b.warps), true
	if id > 15 {
		w.fault(in, DivergentBarrier, "barrier %d: there are 16", id)
	}
	if in.b >= 0 {
		want = uniform(in.b, "numbers of threads")
		full = false
		if want <= 0 || want%32 != 0 || want > 32*len(b.warps) {
			w.fault(in, MissingBarrier, "%d threads: must be a multiple of 32 up to the %d of the block", want, 32*len(b.warps))
		}
	}
	bar := &b.bars[id]
	if bar.arrived == 0 {
		*bar = barrier{expected: want, full: full, clock: make([]uint32, len(b.warps)), pc: w.pc}
	}
	if bar.expected != want {
		w.fault(in, MissingBarrier, "barrier %d expects %d threads here and %d in line %d", id, want, bar.expected, b.k.src[bar.pc].line)
	}
	b.stats.Barriers++
	bar.arrived += 32
	for i, c := range w.clock {
		bar.clock[i] = max(bar.clock[i], c)
	}
	w.clock[w.id]++
	if in.sub >= barPopc {
		p := w.p[in.c]
		if in.flags&fNotC != 0 {
			p = ^p
		}
		bar.ones += bits.OnesCount32(p & w.m)
		w.reduce = in
	}
	if in.sub != barArrive {
		w.waits = true
		bar.waiting = append(bar.waiting, w)
	}
	if bar.arrived >= bar.expected {
		b.release(bar)
	}
}

// leaving are the lanes that took a branch to the kernel's end and wait there for
// the others.
func (w *warp) leaving() uint32 {
	var seen, out uint32
	for i := len(w.stack) - 1; i >= 0; i-- {
		f := &w.stack[i]
		lanes := f.m & w.live &^ (w.active | seen)
		if in := &w.b.k.code[f.pc]; in.kind == kExit && in.guard < 0 {
			out |= lanes
		}
		seen |= lanes
	}
	return out
}

// release lets the warps that wait go on.
func (b *block) release(bar *barrier) {
	if bar.full {
		b.epoch++
	}
	for _, w := range bar.waiting {
		w.waits = false
		for i, c := range bar.clock {
			w.clock[i] = max(w.clock[i], c)
		}
		if in := w.reduce; in != nil {
			w.reduce = nil
			threads := b.l.launch.Block.Count()
			if !bar.full {
				threads = bar.expected
			}
			switch {
			case in.sub == barPopc:
				broadcast := uint32(bar.ones)
				for m := w.live; m != 0; m &= m - 1 {
					w.r32[in.d][bits.TrailingZeros32(m)&31] = broadcast
				}
			case in.sub == barAnd && bar.ones == threads, in.sub == barOr && bar.ones > 0:
				w.p[in.d] |= w.live
			default:
				w.p[in.d] &^= w.live
			}
		}
	}
	bar.arrived, bar.expected, bar.waiting, bar.ones = 0, 0, nil, 0
}

// stuck reports a barrier that will never be complete.
func (b *block) stuck(w *warp) {
	for id := range b.bars {
		bar := &b.bars[id]
		if len(bar.waiting) == 0 {
			continue
		}
		for _, o := range b.warps {
			if o.live != 0 && o.waits {
				continue
			}
			// pc is behind the barrier already.
			bar.waiting[0].faultLane(&b.k.code[bar.pc], 0, MissingBarrier,
				"barrier %d waits for %d threads and %d came; warp %d has exited", id, bar.expected, bar.arrived, o.id)
		}
		bar.waiting[0].faultLane(&b.k.code[bar.pc], 0, MissingBarrier,
			"barrier %d waits for %d threads and %d came; the others wait at other barriers", id, bar.expected, bar.arrived)
	}
	w.fault(&b.k.code[w.pc], MissingBarrier, "warp %d waits at no barrier", w.id)
}

// opSyncWarp: a is the slot of the mask of lanes.
func opSyncWarp(w *warp, in *inst, _ int32) {
	w.checkMask(in, in.a)
	w.clock[w.id]++
}

// checkMask refuses an exchange inside the warp unless exactly the lanes its mask
// names execute it; lanes that exited or never were do not count.
func (w *warp) checkMask(in *inst, slot int32) {
	for l := range lanes(w.m) {
		mask := w.r32[slot][l&31]
		if mask>>l&1 == 0 {
			w.faultLane(in, l, DivergentShuffle, "the mask %#08x lacks lane %d, which executes it", mask, l)
		}
		if missing := mask & w.live &^ w.m; missing != 0 {
			w.faultLane(in, l, DivergentShuffle, "the mask %#08x names lane %d, which took another branch", mask, bits.TrailingZeros32(missing))
		}
	}
}
