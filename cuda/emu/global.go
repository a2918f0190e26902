package emu

import "math/bits"

// count counts an access: lanes by where they go.
func (w *warp) count(in *inst, global, shared, local uint32) {
	s := &w.b.stats
	isStore := in.flags&fStore != 0
	if global != 0 {
		sectors, lines := touched(&w.addr, global)
		bytes := uint64(in.total) * uint64(bits.OnesCount32(global))
		switch {
		case in.space == spConst:
		case isStore:
			s.GlobalStores++
			s.GlobalStoreBytes += bytes
			s.GlobalStoreSectors += sectors
			s.GlobalStoreLines += lines
		default:
			s.GlobalLoads++
			s.GlobalLoadBytes += bytes
			s.GlobalLoadSectors += sectors
			s.GlobalLoadLines += lines
		}
	}
	if shared != 0 {
		s.BankConflicts += conflicts(&w.addr, shared, int(in.total))
		if isStore {
			s.SharedStores++
		} else {
			s.SharedLoads++
		}
	}
	if local != 0 {
		if isStore {
			s.LocalStores++
		} else {
			s.LocalLoads++
		}
	}
}

// touched counts the 32-byte sectors and 128-byte lines that lanes touch. Accesses are
// aligned, so none crosses a sector.
func touched(addr *reg64, m uint32) (sectors, lines uint64) {
	var sector [32]uint64
	n := 0
	last := ^uint64(0)
next:
	for ; m != 0; m &= m - 1 {
		s := addr[bits.TrailingZeros32(m)&31] >> 5
		if s == last {
			continue
		}
		last = s
		for k := n - 1; k >= 0; k-- {
			if sector[k] == s {
				continue next
			}
		}
		sector[n&31] = s
		n++
	}
nextLine:
	for k := range n {
		for j := k - 1; j >= 0; j-- {
			if sector[j]>>2 == sector[k]>>2 {
				continue nextLine
			}
		}
		lines++
	}
	return uint64(n), lines
}

// locate finds the bytes of an access to global memory and refuses what is wrong
// with it. n is a power of two.
func (w *warp) locate(in *inst, lane int, n uint64, write bool) (*allocation, uint64) {
	addr := w.addr[lane&31]
	d := w.b.k.mod.d
	verb := "read"
	if write {
		verb = "write"
	}
	a := d.at(addr)
	switch {
	case addr < slotStart:
		w.faultLane(in, lane, NullPointer, "%s of %d bytes at address %#x", verb, n, addr)
	case a == nil:
		w.faultLane(in, lane, OutOfRange, "%s of %d bytes: %s", verb, n, d.describe(addr))
	case a.freed:
		w.faultLane(in, lane, UseAfterFree, "%s of %d bytes: %s", verb, n, d.describe(addr))
	case addr < a.base || addr-a.base >= a.size || a.size-(addr-a.base) < n:
		w.faultLane(in, lane, OutOfRange, "%s of %d bytes: %s", verb, n, d.describe(addr))
	case addr&(n-1) != 0:
		w.faultLane(in, lane, Misaligned, "%s of %d bytes at address %#x, %s", verb, n, addr, d.describe(addr))
	case write && a.ro:
		w.faultLane(in, lane, ReadOnly, "%s", d.describe(addr))
	}
	return a, addr - a.base
}

// view gives the bytes of an access to global, constant or local memory, or of a
// load from shared memory, with all checks done.
func (w *warp) view(in *inst, lane int, global, shared uint32) []byte {
	n := uint64(in.total)
	write := in.flags&fStore != 0
	switch {
	case global>>lane&1 != 0:
		a, off := w.locate(in, lane, n, write)
		w.own(in, lane, a, off)
		if write {
			fill(a.shadow[off:off+n], 1)
		} else {
			w.written1(in, lane, a.shadow[off:off+n], "global")
		}
		return a.data[off : off+n]
	case shared>>lane&1 != 0:
		off := w.sharedAt(in, lane, n)
		w.sharedRead(in, lane, off, n)
		return w.b.shared[off : off+n]
	}
	return w.localView(in, lane, n, write)
}

// written1 refuses a read of bytes nobody wrote.
func (w *warp) written1(in *inst, lane int, shadow []byte, where string) {
	for i, s := range shadow {
		if s == 0 {
			what := w.b.k.mod.d.describe(w.addr[lane&31] + uint64(i))
			if where == "local" {
				what = "local memory"
			}
			w.faultLane(in, lane, Uninitialised, "read of %d bytes: nobody wrote %s", len(shadow), what)
		}
	}
}

func (w *warp) localView(in *inst, lane int, n uint64, write bool) []byte {
	size := uint64(w.b.k.local)
	addr := w.addr[lane&31]
	if addr >= size || size-addr < n {
		verb := "read"
		if write {
			verb = "write"
		}
		w.faultLane(in, lane, OutOfRange, "%s of %d bytes at %d in %d bytes of local memory", verb, n, int64(addr), size)
	}
	if addr&(n-1) != 0 {
		w.faultLane(in, lane, Misaligned, "access of %d bytes at %d in local memory", n, addr)
	}
	off := size*uint64(lane) + addr
	if write {
		fill(w.written[off:off+n], 1)
	} else {
		w.written1(in, lane, w.written[off:off+n], "local")
	}
	return w.local[off : off+n]
}

const allWritten = 0x01010101

// loadGlobal32 is ld.global of one or more words of 32 bits.
func loadGlobal32(w *warp, in *inst, _ int32) {
	w.addresses(in)
	w.count(in, w.m, 0, 0)
	n := uint64(in.total)
	a := w.b.cache[in.cache]
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		addr := w.addr[l]
		off := addr - a.base
		if off >= a.size || a.size-off < n || addr&(n-1) != 0 {
			a, off = w.locate(in, l, n, false)
			w.b.cache[in.cache] = a
		}
		data, shadow := a.data[off:off+n], a.shadow[off:off+n]
		for e, s := range in.v {
			if get32(shadow[4*e:]) != allWritten {
				w.written1(in, l, shadow, "global")
			}
			w.r32[s][l] = get32(data[4*e:])
		}
	}
}

// storeGlobal32 is st.global of one or more words of 32 bits.
func storeGlobal32(w *warp, in *inst, _ int32) {
	w.addresses(in)
	w.count(in, w.m, 0, 0)
	n := uint64(in.total)
	a := w.b.cache[in.cache]
	for m := w.m; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		addr := w.addr[l]
		off := addr - a.base
		if off >= a.size || a.size-off < n || addr&(n-1) != 0 {
			a, off = w.locate(in, l, n, true)
			w.b.cache[in.cache] = a
		}
		data, shadow := a.data[off:off+n], a.shadow[off:off+n]
		for e, s := range in.v {
			put32(shadow[4*e:], allWritten)
			put32(data[4*e:], w.r32[s][l])
		}
	}
}
