package emu

import "math/bits"

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

// readBefore tells whether this warp read the cell already since its last barrier and
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
