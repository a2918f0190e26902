package cpu

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"voxgrad/device"
)

var errClosed = errors.New("cpu: the backend is closed")

// buffer is the Mem of a tensor.
type buffer struct {
	owner *Backend
	data  []float32 // exactly the tensor's elements
	whole []float32 // what goes back to the pool
	freed atomic.Bool
}

// Bytes is the size of the tensor's elements.
func (m *buffer) Bytes() int64 { return int64(len(m.data)) * 4 }

// Alloc reuses freed memory of about the same size where there is some.
func (b *Backend) Alloc(s device.Shape) device.Tensor {
	want("Alloc", s.N > 0 && s.D > 0 && s.H > 0 && s.W > 0 && s.C > 0, "no such shape: %v", s)
	n := s.Len()
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &buffer{owner: b}
	if b.err != nil {
		return device.Tensor{Shape: s, Mem: m}
	}
	whole, err := b.pool.take(n)
	if err != nil {
		b.err = fmt.Errorf("cpu: no memory for a tensor of shape %v: %w", s, err)
		return device.Tensor{Shape: s, Mem: m}
	}
	m.whole, m.data = whole, whole[:n:n]
	b.pool.used += m.Bytes()
	b.pool.peak = max(b.pool.peak, b.pool.used)
	b.pool.high = max(b.pool.high, b.pool.used)
	return device.Tensor{Shape: s, Mem: m}
}

// Free puts the memory back into the pool.
func (b *Backend) Free(t device.Tensor) {
	if t.None() {
		return
	}
	m, ok := t.Mem.(*buffer)
	want("Free", ok && m.owner == b, "tensor %v is not from this backend", t.Shape)
	want("Free", !m.freed.Swap(true), "tensor %v was freed before", t.Shape)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool.used -= m.Bytes()
	b.pool.give(m.whole)
	m.data, m.whole = nil, nil
}

// Upload copies from the host.
func (b *Backend) Upload(t device.Tensor, src []float32) {
	if b.failed() {
		return
	}
	x := b.get("Upload", "t", t)
	want("Upload", len(src) == len(x), "%d values for t %v", len(src), t.Shape)
	copy(x, src)
}

// Download copies to the host.
func (b *Backend) Download(dst []float32, t device.Tensor) {
	if b.failed() {
		return
	}
	x := b.get("Download", "t", t)
	want("Download", len(dst) == len(x), "%d values for t %v", len(dst), t.Shape)
	copy(dst, x)
}

// Fill sets every element.
func (b *Backend) Fill(t device.Tensor, v float32) {
	if b.failed() {
		return
	}
	x := b.get("Fill", "t", t)
	elements(len(x), func(lo, hi int) {
		p := x[lo:hi]
		for i := range p {
			p[i] = v
		}
	})
}

// Copy copies or adds.
func (b *Backend) Copy(dst device.Into, src device.Tensor) {
	if dst.Mode == device.Skip || b.failed() {
		return
	}
	const op = "Copy"
	d, s := b.get(op, "dst", dst.Tensor), b.get(op, "src", src)
	want(op, len(d) == len(s), "dst %v, src %v", dst.Shape, src.Shape)
	apart(op, dst.Tensor, src)
	elements(len(d), func(lo, hi int) {
		if dst.Mode == device.Set {
			copy(d[lo:hi], s[lo:hi])
		} else {
			b.add(d[lo:hi], s[lo:hi])
		}
	})
}

// NonFinite counts NaNs and infinities.
func (b *Backend) NonFinite(count, x device.Tensor) {
	if b.failed() {
		return
	}
	const op = "NonFinite"
	c, p := b.get(op, "count", count), b.get(op, "x", x)
	want(op, count.Shape == device.Scalar(), "count %v", count.Shape)
	apart(op, count, x)
	var total atomic.Int64
	elements(len(p), func(lo, hi int) {
		n := 0
		for _, v := range p[lo:hi] {
			if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
				n++
			}
		}
		total.Add(int64(n))
	})
	c[0] = float32(total.Load())
}

// Usage counts tensors; scratch memory of single operations comes on top.
func (b *Backend) Usage() (now, peak int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pool.used, b.pool.peak
}

// ResetPeak starts a new maximum.
func (b *Backend) ResetPeak() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool.peak = b.pool.used
}

// SetLimit changes how many bytes tensors may take together; n < 1 means no limit
// beyond what the machine can give.
func (b *Backend) SetLimit(n int64) {
	if n < 1 {
		n = math.MaxInt64 / 4
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool.limit, b.pool.auto = n, false
}
