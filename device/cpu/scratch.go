package cpu

import (
	"unsafe"

	"voxgrad/internal/par"
)

// scratch is memory that one goroutine uses during one piece of work. It only grows.
type scratch struct {
	f    [7][]float32
	n    [4][]int
	corr corrArgs
	dot  dotArgs

	combine combineArgs
}

// floats is slot i with n elements of undefined content, on a cache line's start.
func (s *scratch) floats(i, n int) []float32 {
	if cap(s.f[i]) < n {
		s.f[i] = aligned(n + n/4)
	}
	return s.f[i][:n]
}

// ints is slot i with n elements of undefined content.
func (s *scratch) ints(i, n int) []int {
	if cap(s.n[i]) < n {
		s.n[i] = make([]int, n+n/4)
	}
	return s.n[i][:n]
}

// getScratch hands out scratch memory; give it back with putScratch.
func (b *engine) getScratch() *scratch {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.scratch); n > 0 {
		s := b.scratch[n-1]
		b.scratch = b.scratch[:n-1]
		return s
	}
	return &scratch{}
}

func (b *engine) putScratch(s *scratch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scratch = append(b.scratch, s)
}

// release forgets the scratch memory that is not in use.
func (b *engine) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scratch, b.spaces = nil, nil
}

// workspace is n floats of undefined content for the length of a call; free them after it.
func (b *engine) workspace(n int) []float32 {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := roundUp(n)
	if list := b.spaces[size]; len(list) > 0 {
		b.spaces[size] = list[:len(list)-1]
		return list[len(list)-1][:n]
	}
	return aligned(size)[:n]
}

func (b *engine) free(spaces ...[]float32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spaces == nil {
		b.spaces = map[int][][]float32{}
	}
	for _, s := range spaces {
		b.spaces[cap(s)] = append(b.spaces[cap(s)], s)
	}
}

// forScratch is par.For with scratch memory for each goroutine.
func (b *engine) forScratch(n int, f func(s *scratch, i int)) {
	own := make([]*scratch, par.Threads()+1)
	par.ForWorker(n, func(worker, i int) {
		if own[worker] == nil {
			own[worker] = b.getScratch()
		}
		f(own[worker], i)
	})
	for _, s := range own {
		if s != nil {
			b.putScratch(s)
		}
	}
}

// aligned is n floats from the start of a cache line.
func aligned(n int) []float32 {
	const line = 16 // floats
	p := make([]float32, n+line)
	skip := 0
	if n > 0 {
		skip = int(-uintptr(unsafe.Pointer(unsafe.SliceData(p))) / 4 % line)
	}
	p = p[skip : skip+n : skip+n]
	adviseHuge(p)
	return p
}
