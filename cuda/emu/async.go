package emu

import (
	"slices"

	"voxgrad/cuda/ptx"
)

// cp.async is modelled as the ISA allows it to happen: nothing of the copy is in shared memory before the thread that
// started it has waited for its group, and nothing is visible to other threads before a barrier behind that wait. The
// shared memory it goes to is as if written when the copy starts, so that reads that are still under way are found, and
// again when it is waited for. In between, any access is refused.

// copying is a copy of one lane that was not waited for.
type copying struct {
	lane, group int
	off, n      uint64 // in shared memory
	data        [16]byte
}

func init() {
	register("cp", decodeCopy)
}

func decodeCopy(c *compiler, out *inst) {
	if !c.take("async") {
		c.unknown()
	}
	switch {
	case c.take("commit_group"):
		c.args(0)
		c.self(out, func(w *warp, _ *inst, _ int32) { w.commit() })
		return
	case c.take("wait_all"):
		c.args(0)
		c.self(out, func(w *warp, _ *inst, _ int32) { w.commit(); w.await(0) })
		return
	case c.take("wait_group"):
		n := &c.args(1)[0]
		if n.Kind != ptx.KInt || n.Int < 0 {
			c.refuse("a number of groups that is no constant")
		}
		c.self(out, func(w *warp, _ *inst, _ int32) { w.await(int(min(n.Int, 1<<30))) })
		return
	}
	cache := c.takeOf("ca", "cg")
	if cache == "" || !c.take("shared") && !c.take("shared::cta") || !c.take("global") {
		c.unknown()
	}
	c.takeOf("L2::64B", "L2::128B", "L2::256B")
	if n := len(c.in.Args); n != 3 && n != 4 {
		c.refuse("%d operands", n)
	}
	args := c.in.Args
	size := args[2].Int
	if args[2].Kind != ptx.KInt || size != 16 && (cache == "cg" || size != 4 && size != 8) {
		c.refuse("a size that is none of 4, 8 and 16 bytes, 16 alone for .cg")
	}
	out.space, out.n, out.total = spShared, uint8(size), uint8(size)
	c.where(out, &args[0])
	from := inst{space: spGlobal, n: 4}
	c.where(&from, &args[1])
	out.c = -1
	if len(args) == 4 {
		out.c = c.src(&args[3], "u32")
	}
	c.narrowest(out)
	c.self(out, func(w *warp, in *inst, _ int32) { w.copyAsync(in, &from) })
}

// copyAsync starts the copies of the lanes.
func (w *warp) copyAsync(in, from *inst) {
	size := uint64(in.total)
	w.addresses(from)
	source := w.addr
	w.addresses(in)
	w.b.stats.SharedStores++
	w.b.stats.BankConflicts += conflicts(&w.addr, w.m, int(size))
	var reads uint32
	for l := range lanes(w.m) {
		n := size
		if in.c >= 0 {
			n = uint64(w.r32[in.c][l])
		}
		if n > size {
			w.faultLane(in, l, OutOfRange, "%d bytes of the source for a copy of %d", n, size)
		}
		c := copying{lane: l, group: w.group[l], off: w.sharedAt(in, l, size), n: size}
		for i := c.off >> w.b.k.granule; i <= (c.off+size-1)>>w.b.k.granule; i++ {
			w.writeCell(in, l, &w.b.cells[i], i<<w.b.k.granule, false)
			w.b.cells[i].wThread |= byCopy
		}
		if n > 0 { // else the source may be anywhere
			to := w.addr[l]
			w.addr[l] = source[l]
			if source[l]%size != 0 {
				w.faultLane(in, l, Misaligned, "copy of %d bytes from address %#x", size, source[l])
			}
			a, off := w.locate(in, l, 1, false)
			if a.size-off < n {
				w.faultLane(in, l, OutOfRange, "copy of %d bytes: %s", n, w.b.k.mod.d.describe(source[l]+n-1))
			}
			w.own(in, l, a, off, n)
			w.written1(in, l, a.shadow[off:off+n], "global")
			copy(c.data[:n], a.data[off:])
			w.addr[l] = to
			reads |= 1 << l
			w.b.stats.GlobalLoadBytes += n
		}
		w.copies = append(w.copies, c)
	}
	if reads != 0 {
		sectors, lines := touched(&source, reads)
		w.b.stats.GlobalLoads++
		w.b.stats.GlobalLoadSectors += sectors
		w.b.stats.GlobalLoadLines += lines
	}
}

// commit ends the lanes' open groups.
func (w *warp) commit() {
	for l := range lanes(w.m) {
		w.group[l]++
	}
}

// await completes all but the newest n groups that the lanes have committed.
func (w *warp) await(n int) {
	w.copies = slices.DeleteFunc(w.copies, func(c copying) bool {
		if w.m>>c.lane&1 == 0 || c.group >= w.group[c.lane]-n {
			return false
		}
		copy(w.b.shared[c.off:c.off+c.n], c.data[:])
		g := w.b.k.granule
		for i := c.off >> g; i <= (c.off+c.n-1)>>g; i++ {
			w.b.cells[i].wTime, w.b.cells[i].wThread = w.clock[w.id], uint16(w.id*32+c.lane)
		}
		return true
	})
}

// underWay refuses an access to shared memory that a copy goes to which was not waited for.
func (w *warp) underWay(in *inst, lane int, c *cell, off uint64) {
	if c.wThread&byCopy != 0 {
		w.faultLane(in, lane, AsyncCopy, "byte %d of shared memory is being copied to by %s, which has not waited for it", off, w.b.writer(c))
	}
}
