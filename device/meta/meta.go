// Package meta is a backend that computes nothing. It counts: the memory of live
// tensors, to the byte as the cpu backend does, and the arithmetic and the memory
// traffic of the calls. A training step run on it tells what the step needs
// before anything is allocated.
//
// Downloads give zeros, so code that decides by values takes the path of zeros.
package meta

import (
	"errors"
	"fmt"
	"sync"

	"voxgrad/device"
)

// Backend implements device.Backend without memory. Make one with New.
type Backend struct {
	mu         sync.Mutex
	limit      int64
	used, peak int64
	work       map[string]Work
	err        error
}

var _ device.Backend = (*Backend)(nil)

// Work is what the calls of one method amount to.
type Work struct {
	Calls int64

	// Flops are the multiplications and additions of convolutions and of AlongAxis by
	// their definition, 2 for each term, at borders as inside, of zeros too; other methods count
	// none: memory bounds them.
	Flops int64

	// Bytes are the least the method must move: each tensor it reads or writes once,
	// one that it adds to twice.
	Bytes int64
}

// Add adds o.
func (w Work) Add(o Work) Work {
	return Work{w.Calls + o.Calls, w.Flops + o.Flops, w.Bytes + o.Bytes}
}

// New makes a backend that fails when tensors would take more than limit bytes
// together; 0 means no limit.
func New(limit int64) *Backend { return &Backend{limit: limit, work: map[string]Work{}} }

// Name is "meta".
func (b *Backend) Name() string { return "meta" }

// Work is what was asked for since New or ResetWork, by method.
func (b *Backend) Work() map[string]Work {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make(map[string]Work, len(b.work))
	for k, w := range b.work {
		out[k] = w
	}
	return out
}

// Total is the sum of Work.
func (b *Backend) Total() (t Work) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.work {
		t = t.Add(w)
	}
	return t
}

// ResetWork forgets the work.
func (b *Backend) ResetWork() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.work)
}

// memory is the Mem of a tensor that has none.
type memory struct {
	owner *Backend
	bytes int64
	freed bool
}

func (m *memory) Bytes() int64 { return m.bytes }

// Alloc counts.
func (b *Backend) Alloc(s device.Shape) device.Tensor {
	if s.N < 1 || s.D < 1 || s.H < 1 || s.W < 1 || s.C < 1 {
		panic(fmt.Sprintf("dry: Alloc: no such shape: %v", s))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &memory{owner: b, bytes: 4 * int64(s.Len())}
	if b.err != nil {
		m.bytes = 0
		return device.Tensor{Shape: s, Mem: m}
	}
	if b.limit > 0 && b.used+m.bytes > b.limit {
		b.err = fmt.Errorf("dry: no memory for a tensor of shape %v: %d bytes wanted, %d in use, the limit is %d", s, m.bytes, b.used, b.limit)
		m.bytes = 0
		return device.Tensor{Shape: s, Mem: m}
	}
	b.used += m.bytes
	b.peak = max(b.peak, b.used)
	return device.Tensor{Shape: s, Mem: m}
}

// Free counts.
func (b *Backend) Free(t device.Tensor) {
	if t.None() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.own("Free", t)
	m.freed = true
	b.used -= m.bytes
}

// own panics unless t is a live tensor of b. The caller locks.
func (b *Backend) own(op string, t device.Tensor) *memory {
	m, ok := t.Mem.(*memory)
	if !ok || m.owner != b {
		panic(fmt.Sprintf("dry: %s: tensor %v is not from this backend", op, t.Shape))
	}
	if m.freed {
		panic(fmt.Sprintf("dry: %s: tensor %v was freed before", op, t.Shape))
	}
	return m
}

// Usage tells the bytes of live tensors, and the most since ResetPeak.
func (b *Backend) Usage() (now, peak int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, b.peak
}

// ResetPeak starts a new maximum.
func (b *Backend) ResetPeak() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.peak = b.used
}

// Sync tells whether the limit was passed.
func (b *Backend) Sync() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Close ends the backend.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = errors.New("dry: the backend is closed")
	}
	return nil
}

// call counts one call: tensors it reads and writes, and gradients. Absent
// tensors and skipped gradients count nothing.
func (b *Backend) call(op string, flops int64, tensors []device.Tensor, grads ...device.Into) {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := Work{Calls: 1, Flops: flops}
	for _, t := range tensors {
		if !t.None() {
			b.own(op, t)
			w.Bytes += 4 * int64(t.Len())
		}
	}
	for _, g := range grads {
		if g.Mode != device.Skip {
			b.own(op, g.Tensor)
			w.Bytes += 4 * int64(g.Len())
			if g.Mode == device.Add {
				w.Bytes += 4 * int64(g.Len())
			}
		}
	}
	b.work[op] = b.work[op].Add(w)
}
