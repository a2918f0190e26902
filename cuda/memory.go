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
	o.want(s.N > 0 && s.D > 0 && s.H > 0 && s.W > 0 && s.C > 0, "no such shape: %v", s)
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
	m, ok := t.Mem.(*buffer)
	o.want(ok && m.owner == b, "tensor %v is not from this backend", t.Shape)
	o.want(!m.freed, "tensor %v was freed before", t.Shape)
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
func (b *Backend) Upload(t device.Tensor, src []float32) {
	o := b.begin("Upload")
	if o == nil {
		return
	}
	defer o.end()
	p := o.ptr("t", t)
	o.want(len(src) == t.Len(), "%d values for t %v", len(src), t.Shape)
	if err := b.drv.ToDevice(p, bytesOf(src)); err != nil {
		o.lost("", driver.Launch{}, err)
	}
}

// Download copies to the host after all earlier work.
func (b *Backend) Download(dst []float32, t device.Tensor) {
	o := b.begin("Download")
	if o == nil {
		return
	}
	defer o.end()
	p := o.ptr("t", t)
	o.want(len(dst) == t.Len(), "%d values for t %v", len(dst), t.Shape)
	if err := b.drv.ToHost(bytesOf(dst), p); err != nil {
		b.err = b.late(err)
		return
	}
	b.since = 0
}

// Fill sets every element.
func (b *Backend) Fill(t device.Tensor, v float32) {
	o := b.begin("Fill")
	if o == nil {
		return
	}
	defer o.end()
	if err := b.drv.Fill32(o.ptr("t", t), math.Float32bits(v), int64(t.Len())); err != nil {
		o.lost("", driver.Launch{}, err)
	}
}

// Copy copies or adds.
func (b *Backend) Copy(dst device.Into, src device.Tensor) {
	if dst.Mode == device.Skip {
		return
	}
	o := b.begin("Copy")
	if o == nil {
		return
	}
	defer o.end()
	d, s := o.into("dst", dst), o.ptr("src", src)
	o.want(dst.Len() == src.Len(), "dst %v, src %v", dst.Shape, src.Shape)
	o.apart(dst.Tensor, src)
	name := "copy"
	if dst.Mode == device.Add {
		name = "accumulate"
	}
	o.launch("memory", name, o.perElement(src.Len(), 4), d, s, src.Len())
}

// NonFinite counts NaNs and infinities.
func (b *Backend) NonFinite(count, x device.Tensor) {
	o := b.begin("NonFinite")
	if o == nil {
		return
	}
	defer o.end()
	c, p := o.ptr("count", count), o.ptr("x", x)
	o.want(count.Shape == device.Scalar(), "count %v", count.Shape)
	o.apart(count, x)
	l := o.shares(x.Len(), 4)
	parts := o.workspace(2 * l.Grid.X)
	o.launch("memory", "nonfinite_count", l, parts, p, x.Len())
	o.launch("memory", "nonfinite_total", blocks(1, threads), c, parts, l.Grid.X)
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
