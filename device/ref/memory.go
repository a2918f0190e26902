package ref

import (
	"fmt"
	"math"
	"sync"
	"unsafe"

	"golang.org/x/exp/constraints"

	"voxgrad/device"
)

// Backend implements device.Backend with elements of type F.
type Backend[F constraints.Float] struct {
	mu        sync.Mutex
	live      map[*buffer[F]]struct{}
	now, peak int64
}

type buffer[F constraints.Float] struct {
	owner *Backend[F]
	data  []F // all[pad : len(all)−pad]
	all   []F
	freed bool
}

func (m *buffer[F]) Bytes() int64 { return int64(len(m.all)) * int64(unsafe.Sizeof(F(0))) }

// New opens a backend. F is float32 or float64.
func New[F constraints.Float]() *Backend[F] {
	return &Backend[F]{live: map[*buffer[F]]struct{}{}}
}

// Name is "ref (float32)" or "ref (float64)".
func (b *Backend[F]) Name() string { return fmt.Sprintf("ref (float%d)", 8*unsafe.Sizeof(F(0))) }

// Alloc implements device.Memory. The memory is full of NaN.
func (b *Backend[F]) Alloc(s device.Shape) device.Tensor { return b.alloc(s, 0) }

// GuardAlloc implements devicetest.Guarded. Operations slice rows out of a
// tensor's memory, and Go lets a slice grow into what lies behind it.
func (b *Backend[F]) GuardAlloc(s device.Shape, pad int) (t device.Tensor, check func() error) {
	const pattern = 1234.5
	t = b.alloc(s, pad)
	all := t.Mem.(*buffer[F]).all
	before, behind := all[:pad], all[pad+s.Len():]
	for i := range pad {
		before[i], behind[i] = pattern, pattern
	}
	return t, func() error {
		for i := range pad {
			if before[i] != pattern || behind[i] != pattern {
				return fmt.Errorf("element %d before or behind the tensor was overwritten", i)
			}
		}
		return nil
	}
}

func (b *Backend[F]) alloc(s device.Shape, pad int) device.Tensor {
	want("Alloc", s.N > 0 && s.D > 0 && s.H > 0 && s.W > 0 && s.C > 0, "no such shape: %v", s)
	m := &buffer[F]{owner: b, all: make([]F, s.Len()+2*pad)}
	m.data = m.all[pad : pad+s.Len()]
	poison(m.data)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.live[m] = struct{}{}
	b.now += m.Bytes()
	b.peak = max(b.peak, b.now)
	return device.Tensor{Shape: s, Mem: m}
}

// Free implements device.Memory. The memory becomes NaN.
func (b *Backend[F]) Free(t device.Tensor) {
	if t.None() {
		return
	}
	m, ok := t.Mem.(*buffer[F])
	want("Free", ok && m.owner == b, "tensor %v is not from this backend", t.Shape)
	b.mu.Lock()
	defer b.mu.Unlock()
	want("Free", !m.freed, "tensor %v was freed before", t.Shape)
	m.freed = true
	poison(m.data)
	delete(b.live, m)
	b.now -= m.Bytes()
}

// Data is t's memory itself, for the host to read and write in full precision.
func (b *Backend[F]) Data(t device.Tensor) []F { return b.get("Data", "t", t) }

// Upload implements device.Memory.
func (b *Backend[F]) Upload(t device.Tensor, src []float32) {
	x := b.get("Upload", "t", t)
	want("Upload", len(src) == len(x), "%d values for t %v", len(src), t.Shape)
	for i, v := range src {
		x[i] = F(v)
	}
}

// Download implements device.Memory.
func (b *Backend[F]) Download(dst []float32, t device.Tensor) {
	x := b.get("Download", "t", t)
	want("Download", len(dst) == len(x), "%d values for t %v", len(dst), t.Shape)
	for i, v := range x {
		dst[i] = float32(v)
	}
}

// Fill implements device.Memory.
func (b *Backend[F]) Fill(t device.Tensor, v float32) {
	x := b.get("Fill", "t", t)
	for i := range x {
		x[i] = F(v)
	}
}

// Copy implements device.Memory.
func (b *Backend[F]) Copy(dst device.Into, src device.Tensor) {
	if dst.Mode == device.Skip {
		return
	}
	x := b.get("Copy", "src", src)
	want("Copy", dst.Len() == src.Len(), "dst %v, src %v", dst.Shape, src.Shape)
	apart("Copy", dst.Tensor, src)
	v := make([]float64, len(x))
	for i := range x {
		v[i] = float64(x[i])
	}
	b.put("Copy", "dst", dst, v)
}

// NonFinite implements device.Memory.
func (b *Backend[F]) NonFinite(count, x device.Tensor) {
	c, v := b.get("NonFinite", "count", count), b.get("NonFinite", "x", x)
	want("NonFinite", count.Shape == device.Scalar(), "count %v", count.Shape)
	apart("NonFinite", count, x)
	n := 0
	for _, v := range v {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			n++
		}
	}
	c[0] = F(n)
}

// Usage implements device.Memory.
func (b *Backend[F]) Usage() (now, peak int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now, b.peak
}

// ResetPeak implements device.Memory.
func (b *Backend[F]) ResetPeak() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.peak = b.now
}

// Sync implements device.Memory: every call has finished when it returns.
func (b *Backend[F]) Sync() error { return nil }

// Close implements device.Memory.
func (b *Backend[F]) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for m := range b.live {
		m.freed = true
		poison(m.data)
	}
	clear(b.live)
	b.now = 0
	return nil
}
