package emu

import (
	"voxgrad/cuda/driver"
)

// block is a block that runs, made once for each goroutine of a launch and used for
// one block after another.
type block struct {
	k     *kernel
	l     *launch
	index int
	at    driver.Dim // blockIdx
	warps []*warp
	bars  [16]barrier

	shared []byte
	cells  []cell // shadow of shared memory
	epoch  uint32 // completed barriers of all threads, never 0
	races  bool
	cache  []*allocation

	prof  []count
	stats Stats
}

// count is how often an instruction was executed.
type count struct{ warps, lanes uint64 }

func newBlock(l *launch) *block {
	k := l.k
	threads := l.launch.Block.Count()
	b := &block{k: k, l: l, races: k.mod.d.opt.races, prof: make([]count, len(k.code)), cache: make([]*allocation, k.caches)}
	for i := range b.cache {
		b.cache[i] = &allocation{}
	}
	b.shared = aligned(uint64(k.entry.Static + l.launch.Shared))
	if len(b.shared) > 0 {
		b.cells = make([]cell, (len(b.shared)-1)>>k.granule+1)
	}
	n := (threads + 31) / 32
	for id := range n {
		w := &warp{id: id, b: b, r32: make([]reg32, k.n[class32]), r64: make([]reg64, k.n[class64]), p: make([]uint32, k.n[classP]),
			all: allLanes, clock: make([]uint32, n)}
		if rest := threads - 32*id; rest < 32 {
			w.all = 1<<rest - 1
		}
		w.local = aligned(32 * uint64(k.local))
		w.written = make([]byte, len(w.local))
		w.constants()
		b.warps = append(b.warps, w)
	}
	return b
}

// constants fills the slots that no instruction writes and that are the same in
// all blocks.
func (w *warp) constants() {
	k := w.b.k
	for _, c := range k.c32 {
		broadcast32(&w.r32[c.slot], c.v)
	}
	for _, c := range k.c64 {
		broadcast64(&w.r64[c.slot], c.v)
	}
	for _, a := range k.args {
		v := w.b.l.arg(a)
		if a.class == class64 {
			broadcast64(&w.r64[a.slot], v)
		} else {
			broadcast32(&w.r32[a.slot], uint32(v))
		}
	}
	for _, s := range k.truth {
		w.p[s] = allLanes
	}
	w.fillSpecials(false)
}

func broadcast32(r *reg32, v uint32) {
	for i := range r {
		r[i] = v
	}
}

func broadcast64(r *reg64, v uint64) {
	for i := range r {
		r[i] = v
	}
}

// blockAt is the blockIdx of a block.
func (b *block) blockAt(index int) driver.Dim {
	g := b.l.launch.Grid
	return driver.Dim{X: index % g.X, Y: index / g.X % g.Y, Z: index / (g.X * g.Y)}
}

// reset makes the block ready for block index of the grid.
func (b *block) reset(index int) {
	b.index, b.at = index, b.blockAt(index)
	b.epoch = 1
	b.bars = [16]barrier{}
	clear(b.cells)
	for _, w := range b.warps {
		w.live, w.active, w.pc, w.rpc, w.stack, w.waits = w.all, w.all, 0, -1, w.stack[:0], false
		w.left = b.k.mod.d.opt.budget
		w.cc = 0
		for i := range w.clock {
			w.clock[i] = 0
		}
		w.clock[w.id] = 1
		clear(w.written)
		for _, s := range b.k.zero[class32] {
			w.r32[s] = reg32{}
		}
		for _, s := range b.k.zero[class64] {
			w.r64[s] = reg64{}
		}
		for _, s := range b.k.zero[classP] {
			w.p[s] = 0
		}
		w.fillSpecials(true)
	}
}

// run executes block index to its end and returns the fault that stopped it.
func (b *block) run(index int) (f *Fault) {
	defer func() {
		if r := recover(); r != nil {
			p, ok := r.(panicFault)
			if !ok {
				panic(r)
			}
			f = p.f
		}
	}()
	b.reset(index)
	for {
		ran, waiting := false, (*warp)(nil)
		for _, w := range b.warps {
			if w.live == 0 {
				continue
			}
			if w.waits {
				waiting = w
				continue
			}
			w.run()
			ran = true
		}
		if !ran && waiting != nil {
			b.stuck(waiting)
		}
		if !ran {
			return nil
		}
	}
}
