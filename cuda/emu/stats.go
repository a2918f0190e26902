package emu

import (
	"fmt"
	"slices"
)

// Stats counts what the launches of a kernel did. The counts do not depend on the
// number of goroutines or on the order of the blocks.
type Stats struct {
	Launches, Blocks uint64

	WarpInstructions uint64 // instructions of warps
	LaneInstructions uint64 // instructions of threads
	Flops            uint64 // floating-point operations of threads, 2 for an FMA

	// Global memory: instructions of warps, bytes the threads asked for, and the
	// 32-byte sectors and 128-byte lines they touch.
	GlobalLoads, GlobalLoadBytes, GlobalLoadSectors, GlobalLoadLines     uint64
	GlobalStores, GlobalStoreBytes, GlobalStoreSectors, GlobalStoreLines uint64
	GlobalAtomics, GlobalAtomicSectors                                   uint64

	// Shared memory: instructions of warps, and the passes they need beyond the
	// least possible because lanes hit different words of a bank.
	SharedLoads, SharedStores, SharedAtomics, BankConflicts uint64

	LocalLoads, LocalStores uint64
	Barriers                uint64 // arrivals of warps at bar.sync and its kin
	DivergentBranches       uint64
}

// Add adds the counts of o.
func (s *Stats) Add(o *Stats) {
	d, e := s.list(), o.list()
	for i := range d {
		*d[i] += *e[i]
	}
}

func (s *Stats) list() []*uint64 {
	return []*uint64{
		&s.Launches, &s.Blocks, &s.WarpInstructions, &s.LaneInstructions, &s.Flops,
		&s.GlobalLoads, &s.GlobalLoadBytes, &s.GlobalLoadSectors, &s.GlobalLoadLines,
		&s.GlobalStores, &s.GlobalStoreBytes, &s.GlobalStoreSectors, &s.GlobalStoreLines,
		&s.GlobalAtomics, &s.GlobalAtomicSectors,
		&s.SharedLoads, &s.SharedStores, &s.SharedAtomics, &s.BankConflicts,
		&s.LocalLoads, &s.LocalStores, &s.Barriers, &s.DivergentBranches,
	}
}

func (s Stats) String() string {
	return fmt.Sprintf("%d launches, %d blocks, %d warp and %d thread instructions, %d flops, global loads %d (%d sectors), stores %d (%d sectors), atomics %d, shared loads %d, stores %d, %d bank conflicts, %d barriers",
		s.Launches, s.Blocks, s.WarpInstructions, s.LaneInstructions, s.Flops, s.GlobalLoads, s.GlobalLoadSectors,
		s.GlobalStores, s.GlobalStoreSectors, s.GlobalAtomics, s.SharedLoads, s.SharedStores, s.BankConflicts, s.Barriers)
}

// kernelStats is what is kept of a kernel.
type kernelStats struct {
	Stats
	k    *kernel
	prof []count
}

// Stats are the counts of each kernel since the device was made or ResetStats.
// Kernels of the same name in several modules count together.
func (d *Device) Stats() map[string]Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]Stats{}
	for name, s := range d.stats {
		out[name] = s.Stats
	}
	return out
}

// ResetStats forgets all counts.
func (d *Device) ResetStats() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.stats)
}

// LineCount is how often one line of PTX was executed.
type LineCount struct {
	Line         int
	Text         string
	Warps, Lanes uint64
}

// Profile counts each executed instruction of a kernel, the most frequent first.
func (d *Device) Profile(kernel string) []LineCount {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.stats[kernel]
	if s == nil {
		return nil
	}
	var out []LineCount
	for i, c := range s.prof {
		if c.warps > 0 {
			out = append(out, LineCount{s.k.src[i].line, s.k.src[i].text, c.warps, c.lanes})
		}
	}
	slices.SortStableFunc(out, func(a, b LineCount) int {
		if a.Warps > b.Warps {
			return -1
		}
		if a.Warps < b.Warps {
			return 1
		}
		return a.Line - b.Line
	})
	return out
}

// collect adds what the goroutines of a launch counted.
func (d *Device) collect(k *kernel, blocks []*block, grid int) {
	s := d.stats[k.entry.Name]
	if s == nil {
		s = &kernelStats{}
		d.stats[k.entry.Name] = s
	}
	if s.k != k {
		s.k, s.prof = k, make([]count, len(k.code))
	}
	s.Launches++
	s.Blocks += uint64(grid)
	for _, b := range blocks {
		if b == nil {
			continue
		}
		s.Add(&b.stats)
		for i, c := range b.prof {
			s.prof[i].warps += c.warps
			s.prof[i].lanes += c.lanes
			s.WarpInstructions += c.warps
			s.LaneInstructions += c.lanes
			s.Flops += c.lanes * uint64(k.code[i].flops)
		}
	}
}
