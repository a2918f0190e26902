package emu

import (
	"math/bits"
)

// cell is the shadow of a piece of shared memory: who wrote it last and who read
// it since. Times are those of the warp that did it; a warp's time goes on at each
// barrier and __syncwarp, and barriers tell it to the others (vector clocks).
// Two accesses by different threads, one of them a write, without a barrier
// between them are a race.
type cell struct {
	wTime   uint32 // 0: never written
	rTime   uint32
	rLanes  uint32 // lanes of warp rWarp that read at rTime
	wThread uint16
	rWarp   uint16 // severalWarps: rTime is the block's epoch
}

const (
	severalWarps   = 0xffff
	byAtomic       = 1 << 15   // flag of wThread
	byCopy         = 1 << 14   // flag of wThread: of an asynchronous copy not waited for
	severalThreads = 1<<14 - 1 // of wThread: wTime is the block's epoch
)

// sharedAt checks the range and alignment of an access to shared memory.
func (w *warp) sharedAt(in *inst, lane int, n uint64) uint64 {
	addr := w.addr[lane&31]
	size := uint64(len(w.b.shared))
	if addr >= size || size-addr < n {
		w.faultLane(in, lane, OutOfRange, "access of %d bytes at %d in %d bytes of shared memory (%d static)", n, int64(int32(addr)), size, w.b.k.entry.Static)
	}
	if addr&(n-1) != 0 {
		w.faultLane(in, lane, Misaligned, "access of %d bytes at %d in shared memory", n, addr)
	}
	return addr
}

// ordered reports whether what thread t did at its warp's time is before what a lane
// of w does now.
func (w *warp) ordered(t uint16, time uint32, lane int) bool {
	t &^= byAtomic
	if t == severalThreads {
		return time != w.b.epoch || w.b.k.partial
	}
	if o := int(t >> 5); o != w.id {
		return time <= w.clock[o]
	}
	return int(t&31) == lane || time < w.clock[w.id]
}

// writer names who wrote a cell.
func (b *block) writer(c *cell) string {
	t := c.wThread &^ (byAtomic | byCopy)
	if t == severalThreads {
		return "atomics of several warps"
	}
	return "thread " + b.threadAt(int(t)).String()
}

// sharedRead checks and notes a read.
func (w *warp) sharedRead(in *inst, lane int, off, n uint64) {
	g := w.b.k.granule
	for i := off >> g; i <= (off+n-1)>>g; i++ {
		w.readCell(in, lane, &w.b.cells[i], i<<g)
	}
}

func (w *warp) readCell(in *inst, lane int, c *cell, off uint64) {
	now := w.clock[w.id]
	if c.wTime == 0 {
		w.faultLane(in, lane, Uninitialised, "nobody wrote byte %d of shared memory", off)
	}
	w.underWay(in, lane, c, off)
	if !w.b.races {
		return
	}
	if !w.ordered(c.wThread, c.wTime, lane) {
		w.faultLane(in, lane, SharedRace, "byte %d of shared memory was written by %s with no barrier between", off, w.b.writer(c))
	}
	switch {
	case c.rWarp == uint16(w.id) && c.rTime == now:
		c.rLanes |= 1 << lane
	case c.rTime == 0 || c.rWarp == uint16(w.id) || c.rWarp != severalWarps && c.rTime <= w.clock[c.rWarp]:
		c.rWarp, c.rTime, c.rLanes = uint16(w.id), now, 1<<lane
	default:
		if c.rWarp == severalWarps && c.rTime != w.b.epoch {
			c.rWarp, c.rTime, c.rLanes = uint16(w.id), now, 1<<lane
			return
		}
		c.rWarp, c.rTime = severalWarps, w.b.epoch
	}
}

// writeCell checks and notes a write. same tells that it does not change the
// content: then a write by another thread is no race, as the order of the two does not
// matter.
func (w *warp) writeCell(in *inst, lane int, c *cell, off uint64, same bool) {
	now := w.clock[w.id]
	w.underWay(in, lane, c, off)
	if w.b.races {
		if c.wTime != 0 && !same && !w.ordered(c.wThread, c.wTime, lane) {
			w.faultLane(in, lane, SharedRace, "byte %d of shared memory was written by %s too, with no barrier between", off, w.b.writer(c))
		}
		if !same {
			w.afterReads(in, lane, c, off)
		}
	}
	c.wTime, c.wThread = now, uint16(w.id*32+lane)
	c.rTime = 0
}

// afterReads refuses a write that other threads' reads are not ordered before.
func (w *warp) afterReads(in *inst, lane int, c *cell, off uint64) {
	if c.rTime == 0 {
		return
	}
	var race bool
	others := c.rLanes
	switch {
	case c.rWarp == severalWarps:
		race = c.rTime == w.b.epoch && !w.b.k.partial
	case int(c.rWarp) == w.id:
		others &^= 1 << lane
		race = c.rTime == w.clock[w.id] && others != 0
	default:
		race = c.rTime > w.clock[c.rWarp]
	}
	if !race {
		return
	}
	who := "threads of several warps"
	if c.rWarp != severalWarps {
		who = "thread " + w.b.threadAt(int(c.rWarp)*32+bits.TrailingZeros32(others)).String()
	}
	w.faultLane(in, lane, SharedRace, "byte %d of shared memory was read by %s with no barrier between", off, who)
}

// sharedStore writes a lane's elements.
func (w *warp) sharedStore(in *inst, lane int) {
	off := w.sharedAt(in, lane, uint64(in.total))
	n := uint64(in.n)
	for e, s := range in.v {
		w.sharedPut(in, lane, off+uint64(e)*n, n, w.element(in, s, lane))
	}
}

// sharedPut writes n bytes.
func (w *warp) sharedPut(in *inst, lane int, off, n, v uint64) {
	b := w.b.shared[off : off+n]
	mask := ^uint64(0) >> (64 - 8*n)
	same := extend(b, int(n), false) == v&mask
	g := w.b.k.granule
	for i := off >> g; i <= (off+n-1)>>g; i++ {
		w.writeCell(in, lane, &w.b.cells[i], i<<g, same)
	}
	store(b, int(n), v)
}

// conflicts counts the passes beyond the least possible that an access to shared
// memory takes: 32 banks of 4 bytes serve a word each in a pass; lanes that ask for
// the same word share it. Accesses of 8 and 16 bytes go by half and quarter warps,
// each with as many pairs or quadruples of banks as it has lanes.
func conflicts(addr *reg64, m uint32, n int) uint64 {
	shift := uint(2)
	switch n {
	case 8:
		shift = 3
	case 16:
		shift = 4
	}
	banks := 128 >> shift
	var extra uint64
	for lo := 0; lo < 32; lo += banks {
		if part := uint32(uint64(m) >> lo & (1<<banks - 1)); part != 0 {
			extra += passes(addr, part, lo, shift, uint64(banks-1))
		}
	}
	return extra
}

// passes counts the passes of a group of lanes from lo on beyond the first.
func passes(addr *reg64, m uint32, lo int, shift uint, mask uint64) uint64 {
	var first [32]uint64
	for p := m; p != 0; p &= p - 1 {
		u := addr[(bits.TrailingZeros32(p)+lo)&31]>>shift + 1
		b := &first[u&mask]
		if *b == 0 {
			*b = u
		} else if *b != u {
			return serial(addr, m, lo, shift, mask)
		}
	}
	return 0
}

// serial is passes where there are conflicts.
func serial(addr *reg64, m uint32, lo int, shift uint, mask uint64) uint64 {
	var seen [32]uint64
	var depth [32]uint64
	n, worst := 0, uint64(0)
next:
	for ; m != 0; m &= m - 1 {
		u := addr[(bits.TrailingZeros32(m)+lo)&31] >> shift
		for _, v := range seen[:n] {
			if u == v {
				continue next
			}
		}
		seen[n&31] = u
		n++
		depth[u&mask]++
		worst = max(worst, depth[u&mask])
	}
	return worst - 1
}

// readBefore reports whether this warp read the cell already since its last barrier and
// since the last write, which was another warp's or earlier: then any lane may.
func (c *cell) readBefore(id uint16, now uint32) bool {
	return c.rWarp == id && c.rTime == now && (c.wTime < now || c.wThread&^byAtomic>>5 != id)
}

// loadShared32 is ld.shared of one or more words of 32 bits.
func loadShared32(w *warp, in *inst, d int32) {
	if w.b.k.granule != 2 {
		opLoad(w, in, d)
		return
	}
	w.addresses(in)
	w.b.stats.SharedLoads++
	w.b.stats.BankConflicts += conflicts(&w.addr, w.m, int(in.total))
	n, size := uint64(in.total), uint64(len(w.b.shared))
	cells, id, now := w.b.cells, uint16(w.id), w.clock[w.id]
	d0 := &w.r32[in.v[0]]
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		off := w.addr[l]
		if off >= size || size-off < n || off&(n-1) != 0 {
			w.sharedAt(in, l, n)
		}
		if c := &cells[off>>2]; c.readBefore(id, now) {
			c.rLanes |= 1 << l
		} else {
			w.readCell(in, l, c, off)
		}
		d0[l] = get32(w.b.shared[off:])
		if n == 4 {
			continue
		}
		part, from := cells[off>>2:(off+n)>>2], w.b.shared[off:off+n]
		for e := 1; e < len(part); e++ {
			if c := &part[e]; c.readBefore(id, now) {
				c.rLanes |= 1 << l
			} else {
				w.readCell(in, l, c, off+uint64(4*e))
			}
			w.r32[in.v[e]][l] = get32(from[4*e:])
		}
	}
}

// storeShared32 is st.shared of one or more words of 32 bits.
func storeShared32(w *warp, in *inst, d int32) {
	if w.b.k.granule != 2 {
		opStore(w, in, d)
		return
	}
	w.addresses(in)
	w.b.stats.SharedStores++
	w.b.stats.BankConflicts += conflicts(&w.addr, w.m, int(in.total))
	n, size := uint64(in.total), uint64(len(w.b.shared))
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		off := w.addr[l]
		if off >= size || size-off < n || off&(n-1) != 0 {
			w.sharedAt(in, l, n)
		}
		part, to := w.b.cells[off>>2:(off+n)>>2], w.b.shared[off:off+n]
		for e, s := range in.v {
			v := w.r32[s][l]
			w.writeCell(in, l, &part[e], off+uint64(4*e), get32(to[4*e:]) == v)
			put32(to[4*e:], v)
		}
	}
}
