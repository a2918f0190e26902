package emu

import "sync/atomic"

// owners remembers for each word of an allocation which block wrote and which read it
// in a launch: the number of the launch above, the block's index plus 1 below,
// severalBlocks for readers that are not one.
type owners struct {
	writer, reader []atomic.Uint64
}

const severalBlocks = 1<<32 - 1

func newOwners(bytes uint64) *owners {
	return &owners{make([]atomic.Uint64, bytes/4), make([]atomic.Uint64, bytes/4)}
}

// own refuses an access to global memory that another block of the launch has to do
// with. Accesses of less than a word are not looked at, for a word may belong to several
// blocks then.
func (w *warp) own(in *inst, lane int, a *allocation, off uint64) {
	if a.owners == nil || in.n < 4 || in.flags&fVolatile != 0 {
		return
	}
	launch := uint64(w.b.l.number) << 32
	me := launch | uint64(w.b.index+1)
	other := func(stamp uint64) bool { return stamp>>32 == launch>>32 && stamp != me }
	for i := off / 4; i < (off+uint64(in.total))/4; i++ {
		reader, writer := &a.owners.reader[i], &a.owners.writer[i]
		if in.flags&fStore != 0 {
			// A writer marks the word and then looks for readers, a reader the other way
			// round: one of the two sees the other.
			if old := writer.Swap(me); other(old) {
				w.raceOf(in, lane, "written", old)
			}
			if old := reader.Load(); other(old) {
				w.raceOf(in, lane, "read", old)
			}
			continue
		}
		for {
			old, mark := reader.Load(), me
			if other(old) {
				mark = launch | severalBlocks
			}
			if old == mark || reader.CompareAndSwap(old, mark) {
				break
			}
		}
		if old := writer.Load(); other(old) {
			w.raceOf(in, lane, "written", old)
		}
	}
}

func (w *warp) raceOf(in *inst, lane int, what string, stamp uint64) {
	who := "several blocks"
	if b := stamp & severalBlocks; b != severalBlocks {
		who = "block " + w.b.blockAt(int(b-1)).String()
	}
	w.faultLane(in, lane, BlockRace, "%s was %s by %s in the same launch", w.b.k.mod.d.describe(w.addr[lane&31]), what, who)
}
