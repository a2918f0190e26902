package emu

import (
	"math/bits"

	"voxgrad/cuda/ptx"
)

func init() { register("atom red", decodeAtomic) }

// atomic computes the new value from the old and the operands.
type atomic2 func(old, b, c uint64) uint64

// decodeAtomic decodes atom and red on integers. Floating-point ones are refused:
// their result would depend on the order of the threads.
func decodeAtomic(c *compiler, out *inst) {
	out.flags |= fStore
	t := c.typ()
	for _, m := range []string{"relaxed", "acquire", "release", "acq_rel", "cta", "gpu", "sys", "noftz"} {
		c.take(m)
	}
	for _, name := range []string{"global", "shared", "shared::cta"} {
		if c.take(name) {
			out.space = spaceNames[name]
		}
	}
	if len(c.mods) != 1 {
		c.unknown()
	}
	name := c.mods[0]
	c.mods = nil
	if isFloat(t) {
		panic(refused{FloatAtomic, "the sum would depend on the order of the threads: reduce in fixed stages instead"})
	}
	f := atomicOf(name, t)
	if f == nil {
		c.unknown()
	}
	n, first := t.Bits(), 0
	if c.in.Op == "atom" {
		first = 1
	}
	want := first + 2
	if name == "cas" {
		want++
	}
	args := c.args(want)
	c.where(out, &args[first])
	out.b = c.src(&args[first+1], t)
	out.c = out.b
	if name == "cas" {
		out.c = c.src(&args[first+2], t)
	}
	if first == 1 && args[0].Kind == ptx.KReg {
		out.d = c.dst(&args[0], t)
		out.flags |= fResult
	}
	out.n, out.total = uint8(n/8), uint8(n/8)
	c.narrowest(out)
	c.self(out, func(w *warp, in *inst, d int32) { w.atomic(in, d, n, f) })
}

func atomicOf(name string, t ptx.Type) atomic2 {
	n := t.Bits()
	s := signed(t)
	if n != 32 && n != 64 && !(n == 16 && name == "cas") {
		return nil
	}
	ext := func(v uint64) int64 { return int64(v<<(64-n)) >> (64 - n) }
	switch name {
	case "add":
		return func(old, b, _ uint64) uint64 { return old + b }
	case "and":
		return func(old, b, _ uint64) uint64 { return old & b }
	case "or":
		return func(old, b, _ uint64) uint64 { return old | b }
	case "xor":
		return func(old, b, _ uint64) uint64 { return old ^ b }
	case "exch":
		return func(_, b, _ uint64) uint64 { return b }
	case "cas":
		return func(old, b, c uint64) uint64 {
			if old == b {
				return c
			}
			return old
		}
	case "min":
		return func(old, b, _ uint64) uint64 {
			if s && ext(b) < ext(old) || !s && b < old {
				return b
			}
			return old
		}
	case "max":
		return func(old, b, _ uint64) uint64 {
			if s && ext(b) > ext(old) || !s && b > old {
				return b
			}
			return old
		}
	case "inc":
		return func(old, b, _ uint64) uint64 {
			if old >= b {
				return 0
			}
			return old + 1
		}
	case "dec":
		return func(old, b, _ uint64) uint64 {
			if old == 0 || old > b {
				return b
			}
			return old - 1
		}
	}
	return nil
}

// atomic executes lane after lane in ascending order.
func (w *warp) atomic(in *inst, d int32, n int, f atomic2) {
	w.addresses(in)
	global, shared, local := w.spaceOf(in)
	if local != 0 {
		w.faultLane(in, bits.TrailingZeros32(local), OutOfRange, "an atomic on local memory")
	}
	s := &w.b.stats
	if global != 0 {
		sectors, _ := touched(&w.addr, global)
		s.GlobalAtomics++
		s.GlobalAtomicSectors += sectors
	}
	if shared != 0 {
		s.SharedAtomics++
		s.BankConflicts += conflicts(&w.addr, shared, n/8)
	}
	size := uint64(n / 8)
	for l := range lanes(w.m) {
		var old uint64
		x, y := w.get(in.b, n, l), w.get(in.c, n, l)
		if global>>l&1 != 0 {
			a, off := w.locate(in, l, size, true)
			lock := &w.b.k.mod.d.locks[w.addr[l]>>3&63]
			lock.Lock()
			ready := true
			for _, v := range a.shadow[off : off+size] {
				ready = ready && v != 0
			}
			if ready {
				old = extend(a.data[off:], n/8, false)
				store(a.data[off:], n/8, f(old, x, y))
			}
			lock.Unlock()
			if !ready {
				w.written1(in, l, a.shadow[off:off+size], "global")
			}
		} else {
			off := w.sharedAt(in, l, size)
			w.sharedAtomic(in, l, off, size)
			b := w.b.shared[off : off+size]
			old = extend(b, n/8, false)
			store(b, n/8, f(old, x, y))
		}
		if in.flags&fResult != 0 {
			w.put(d, n, l, old)
		}
	}
}

// sharedAtomic checks an atomic on shared memory: it races with plain accesses and
// not with other atomics.
func (w *warp) sharedAtomic(in *inst, lane int, off, n uint64) {
	g := w.b.k.granule
	for i := off >> g; i <= (off+n-1)>>g; i++ {
		c := &w.b.cells[i]
		if c.wTime == 0 {
			w.faultLane(in, lane, Uninitialised, "nobody wrote byte %d of shared memory", i<<g)
		}
		w.underWay(in, lane, c, i<<g)
		w.atomicCell(in, lane, c, i<<g)
	}
}

func (w *warp) atomicCell(in *inst, lane int, c *cell, off uint64) {
	now, me := w.clock[w.id], uint16(w.id*32+lane)|byAtomic
	before := c.wThread&byAtomic != 0
	ordered := !w.b.races || w.ordered(c.wThread, c.wTime, lane)
	if !before && !ordered {
		w.faultLane(in, lane, SharedRace, "byte %d of shared memory was written by %s, not atomically and with no barrier between", off, w.b.writer(c))
	}
	if w.b.races {
		w.afterReads(in, lane, c, off)
	}
	c.rTime = 0
	if before && !ordered {
		c.wThread, c.wTime = severalThreads|byAtomic, w.b.epoch
		return
	}
	c.wThread, c.wTime = me, now
}
