// Package meta is a backend that computes nothing. It counts: the memory of live
// tensors, to the byte as the cpu backend does, and the arithmetic and the memory
// traffic of the calls. A training step run on it tells what the step needs
// before anything is allocated.
//
// Downloads return zeros, so code that decides by values takes the path of zeros.
package meta

import (
	"errors"
	"fmt"
	"sync"

	"voxgrad/device"
)

// Backend implements device.Backend and device.Imaging without memory: Ops counts
// each call. Make one with New.
type Backend struct {
	device.Ops

	mu         sync.Mutex
	limit      int64
	used, peak int64
	work       map[string]Work
	err        error
}

var _ device.ImagingBackend = (*Backend)(nil)

// Work is what the calls of one method amount to.
type Work struct {
	Calls int64

	Flops int64 // see device.Call
	Bytes int64 // the least to move: each tensor it reads or writes once, one that it adds to twice
}

// Add adds o.
func (w Work) Add(o Work) Work {
	return Work{w.Calls + o.Calls, w.Flops + o.Flops, w.Bytes + o.Bytes}
}

// New makes a backend that fails when tensors would take more than limit bytes
// together; 0 means no limit.
func New(limit int64) *Backend {
	b := &Backend{limit: limit, work: map[string]Work{}}
	b.Ops = b.count
	return b
}

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
	device.CheckShape("meta", s)
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &memory{owner: b, bytes: 4 * int64(s.Len())}
	if b.err != nil {
		m.bytes = 0
		return device.Tensor{Shape: s, Mem: m}
	}
	if b.limit > 0 && b.used+m.bytes > b.limit {
		b.err = fmt.Errorf("meta: no memory for a tensor of shape %v: %d bytes wanted, %d in use, the limit is %d", s, m.bytes, b.used, b.limit)
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
	if wrong := b.own(t); wrong != "" {
		panic(fmt.Sprintf("meta: Free: tensor %v %s", t.Shape, wrong))
	}
	m := t.Mem.(*memory)
	m.freed = true
	b.used -= m.bytes
}

// own reports what is wrong with a tensor's memory. The caller locks.
func (b *Backend) own(t device.Tensor) string {
	m, ok := t.Mem.(*memory)
	switch {
	case !ok || m.owner != b:
		return "is not from this backend"
	case m.freed:
		return "was freed before"
	}
	return ""
}

// Usage reports the bytes of live tensors, and the most since ResetPeak.
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

// AllocWith counts.
func (b *Backend) AllocWith(shapes []device.Shape, values [][]float32) []device.Tensor {
	return device.AllocEach(b, shapes, values)
}

// Fetch returns zeros.
func (b *Backend) Fetch(ts ...device.Tensor) device.Fetched { return device.FetchNow(b, ts) }

// Sync reports whether the limit was passed.
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
		b.err = errors.New("meta: the backend is closed")
	}
	return nil
}

// Download returns zeros.
func (b *Backend) Download(dst []float32, t device.Tensor) {
	b.Ops.Download(dst, t)
	clear(dst)
}

// count counts one call. Absent tensors and skipped gradients count nothing.
func (b *Backend) count(c *device.Call) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c.Check("meta", b.own)
	if c.Idle() {
		return
	}
	w := Work{Calls: 1, Flops: c.Flops, Bytes: c.Bytes}
	read := map[device.Mem]bool{}
	for _, a := range c.Args {
		if c.Bytes == 0 && !a.Tensor.None() && !a.Skipped() && !read[a.Tensor.Mem] {
			read[a.Tensor.Mem] = a.Role == device.Input
			w.Bytes += 4 * int64(a.Tensor.Len())
			if a.Into != nil && a.Into.Mode == device.Add {
				w.Bytes += 4 * int64(a.Tensor.Len())
			}
		}
	}
	b.work[c.Op] = b.work[c.Op].Add(w)
}
