package cuda

import (
	"fmt"
	"math"
	"unsafe"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// buffer is the Mem of a tensor. Its owner's lock guards it.
type buffer struct {
	owner *Backend
	n     int        // elements
	ptr   driver.Ptr // of the first element; null if there was no memory
	base  driver.Ptr // of the allocation
	freed bool
}

// Bytes is the size of the tensor's elements.
func (m *buffer) Bytes() int64 { return 4 * int64(m.n) }

// Alloc takes memory from the pool.
func (b *Backend) Alloc(s device.Shape) device.Tensor {
	return b.alloc(s, 0)
}

// alloc returns a tensor with a margin of elements before and behind it.
func (b *Backend) alloc(s device.Shape, margin int) device.Tensor {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := &op{b: b, name: "Alloc"}
	device.CheckShape("cuda", s)
	m := &buffer{owner: b, n: s.Len()}
	t := device.Tensor{Shape: s, Mem: m}
	if b.err != nil {
		return t
	}
	p, err := b.pool.get(m.Bytes() + 8*int64(margin))
	if err != nil {
		o.noMemory(fmt.Sprintf("a tensor of shape %v", s), err)
		return t
	}
	m.base, m.ptr = p, p+driver.Ptr(4*margin)
	b.pool.used += m.Bytes()
	b.pool.peak = max(b.pool.peak, b.pool.used)
	return t
}

// Free puts the memory back into the pool.
func (b *Backend) Free(t device.Tensor) {
	if t.None() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o := &op{b: b, name: "Free"}
	wrong := b.own(t)
	o.must(wrong == "", "tensor %v %s", t.Shape, wrong)
	m := t.Mem.(*buffer)
	m.freed = true
	if m.base != 0 {
		b.pool.used -= m.Bytes()
		b.pool.put(m.base)
	}
}

// bytesOf is the memory of a slice.
func bytesOf(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

// Upload copies from the host.
func (o *op) Upload(t device.Tensor, src []float32) {
	if err := o.b.drv.ToDevice(ptr(t), bytesOf(src)); err != nil {
		o.lost("", driver.Launch{}, err)
	}
}

// Download copies to the host after all earlier work.
func (o *op) Download(dst []float32, t device.Tensor) {
	if err := o.b.drv.ToHost(bytesOf(dst), ptr(t)); err != nil {
		o.b.err = o.b.late(err)
		return
	}
	o.b.since = 0
}

// Fill sets every element.
func (o *op) Fill(t device.Tensor, v float32) {
	if err := o.b.drv.Fill32(ptr(t), math.Float32bits(v), int64(t.Len())); err != nil {
		o.lost("", driver.Launch{}, err)
	}
}

// Copy copies or adds.
func (o *op) Copy(dst device.Into, src device.Tensor) {
	name := "copy"
	if dst.Mode == device.Add {
		name = "accumulate"
	}
	o.launch("memory", name, PerElement(src.Len(), 4), dst, src, src.Len())
}

// Blend is one pass.
func (o *op) Blend(y, x, z device.Tensor, p, q float64) {
	o.launch("memory", "blend", PerElement(y.Len(), 4), y, x, z, y.Len(), float32(p), float32(q))
}

// NonFinite counts NaNs and infinities.
func (o *op) NonFinite(count, x device.Tensor) {
	l := o.shares(x.Len(), 4)
	parts := o.workspace(2 * l.Grid.X)
	o.launch("memory", "nonfinite_count", l, parts, x, x.Len())
	o.launch("memory", "nonfinite_total", blocks(1, threads), count, parts, l.Grid.X)
}

// Usage counts tensors; workspaces of single operations come on top.
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

// Reserved is what the backend has taken from the device, in bytes: tensors,
// workspaces, and memory kept for reuse.
func (b *Backend) Reserved() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.pool.reserved
}
