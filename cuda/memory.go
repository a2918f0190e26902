package cuda

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
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
	with  *int       // how many tensors share the allocation; nil if it is this one's alone
	freed bool

	element element
}

// Bytes is the size of the tensor's elements.
func (m *buffer) Bytes() int64 { return m.element.bytes(m.n) }

// Alloc takes memory from the pool.
func (b *Backend) Alloc(s device.Shape) device.Tensor {
	return b.alloc(s, 0, fp32)
}

// alloc returns a tensor with a margin of words before and behind it.
func (b *Backend) alloc(s device.Shape, margin int, e element) device.Tensor {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := &op{b: b, name: "Alloc"}
	device.CheckShape("cuda", s)
	m := &buffer{owner: b, n: s.Len(), element: e}
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
	if m.base == 0 {
		return
	}
	b.pool.used -= m.Bytes()
	if m.with != nil {
		if *m.with--; *m.with > 0 {
			return
		}
	}
	b.pool.put(m.base)
}

// AllocWith puts all tensors into one allocation, of a power of two bytes so that later
// ones fit, and fills it in one transfer.
func (b *Backend) AllocWith(shapes []device.Shape, values [][]float32) []device.Tensor {
	if b.opt.exact || len(shapes) < 2 {
		return device.AllocEach(b, shapes, values)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	o := &op{b: b, name: "AllocWith"}
	o.must(len(shapes) == len(values), "%d shapes and values for %d", len(shapes), len(values))
	ts := make([]device.Tensor, len(shapes))
	at := make([]int, len(shapes))
	size := 0
	for i, s := range shapes {
		device.CheckShape("cuda", s)
		o.must(len(values[i]) == s.Len(), "%d values for shape %v", len(values[i]), s)
		ts[i] = device.Tensor{Shape: s, Mem: &buffer{owner: b, n: s.Len()}}
		at[i] = size
		size += ceil(4*s.Len(), 256) * 256
	}
	if b.err != nil {
		return ts
	}
	base, err := b.pool.get(1 << bits.Len(uint(size-1)))
	if err != nil {
		o.noMemory(fmt.Sprintf("%d tensors", len(shapes)), err)
		return ts
	}
	host := make([]byte, size)
	left := len(ts)
	for i, t := range ts {
		m := t.Mem.(*buffer)
		m.base, m.ptr, m.with = base, base+driver.Ptr(at[i]), &left
		copy(host[at[i]:], bytesOf(values[i]))
		b.pool.used += m.Bytes()
	}
	b.pool.peak = max(b.pool.peak, b.pool.used)
	b.flush()
	if err := b.drv.ToDevice(base, host); err != nil {
		o.lost("", driver.Launch{}, err)
	}
	return ts
}

// bytesOf is the memory of a slice.
func bytesOf(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

// Upload copies from the host.
func (o *op) Upload(t device.Tensor, src []float32) {
	o.b.flush()
	if o.b.err != nil {
		return
	}
	host := bytesOf(src)
	if elementOf(t) == bf16 {
		host = make([]byte, bf16.bytes(len(src)))
		for i, v := range src {
			binary.LittleEndian.PutUint16(host[2*i:], bitsBF16(v))
		}
	}
	if err := o.b.drv.ToDevice(ptr(t), host); err != nil {
		o.lost("", driver.Launch{}, err)
	}
}

// Download copies to the host after all earlier work.
func (o *op) Download(dst []float32, t device.Tensor) {
	o.b.flush()
	if o.b.err != nil {
		return
	}
	host := bytesOf(dst)
	if elementOf(t) == bf16 {
		host = make([]byte, 2*len(dst))
	}
	if err := o.b.drv.ToHost(host, ptr(t)); err != nil {
		o.b.err = o.b.late(err)
		return
	}
	if elementOf(t) == bf16 {
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(host[2*i:])) << 16)
		}
	}
	o.b.since = 0
}

// Fill sets every element.
func (o *op) Fill(t device.Tensor, v float32) {
	word := math.Float32bits(v)
	if elementOf(t) == bf16 {
		word = uint32(bitsBF16(v)) * 0x10001
	}
	o.call(driver.Call{Dst: ptr(t), Word: word, N: t.Mem.Bytes() / 4})
}

// Copy copies or adds.
func (o *op) Copy(dst device.Into, src device.Tensor) {
	to, from := elementOf(dst.Tensor), elementOf(src)
	switch {
	case dst.Mode == device.Set && to != from:
		o.convert(dst.Tensor, src)
		return
	case to == fp32 && from == bf16:
		wide := o.temporary(src.Shape, fp32)
		o.convert(wide, src)
		src = wide
	case to == bf16 && from == fp32:
		sum := o.temporary(dst.Shape, fp32)
		o.convert(sum, dst.Tensor)
		o.launch("memory", "accumulate", PerElement(src.Len(), 4), sum, src, src.Len())
		o.convert(dst.Tensor, sum)
		return
	}
	name := "copy"
	if dst.Mode == device.Add {
		name = "accumulate"
	}
	o.stored(elementOf(dst.Tensor), "memory", name, PerElement(src.Len(), 4), dst, src, src.Len())
}

// Blend is one pass.
func (o *op) Blend(y, x, z device.Tensor, p, q float64) {
	o.launch("memory", "blend", PerElement(y.Len(), 4), y, x, z, y.Len(), float32(p), float32(q))
}

// spanSize is the number of elements that a block looks at where tensors are taken together by a table.
const spanSize = 8192

// spans is the table of tensors on the device, and the number of blocks that look at all of them.
func (o *op) spans(xs []device.Tensor) (table driver.Ptr, grid int) {
	var bytes []byte
	for _, x := range xs {
		bytes = binary.LittleEndian.AppendUint64(bytes, uint64(ptr(x)))
		bytes = binary.LittleEndian.AppendUint64(bytes, uint64(x.Len()))
		bytes = binary.LittleEndian.AppendUint64(bytes, uint64(grid))
		grid += ceil(x.Len(), spanSize)
	}
	return o.slotTable(bytes), grid
}

// NonFinite looks into all tensors in one launch, by a table of them on the device.
func (o *op) NonFinite(found device.Tensor, xs []device.Tensor) {
	if len(xs) == 0 {
		return
	}
	spans, grid := o.spans(xs)
	parts := o.workspace(grid)
	o.launch("memory", "nonfinite_count", blocks(grid, threads), parts, spans, len(xs))
	o.launch("memory", "nonfinite_total", blocks(1, threads), found, parts, grid, spans, len(xs))
}

// Fetch queues a copy of every tensor into pinned memory.
func (b *Backend) Fetch(ts ...device.Tensor) device.Fetched {
	b.mu.Lock()
	defer b.mu.Unlock()
	o := &op{b: b, name: "Fetch"}
	defer o.giveBack()
	f := &fetched{b: b}
	var from []driver.Span
	for _, t := range ts {
		o.must(!t.None(), "a tensor is absent")
		wrong := b.own(t)
		o.must(wrong == "", "tensor %v %s", t.Shape, wrong)
		if elementOf(t) == bf16 {
			wide := o.temporary(t.Shape, fp32)
			o.convert(wide, t)
			t = wide
		}
		from = append(from, driver.Span{Ptr: ptr(t), Bytes: 4 * int64(t.Len())})
	}
	b.flush()
	if b.err != nil {
		return f
	}
	var err error
	if f.way, err = b.drv.Fetch(from); err != nil {
		o.lost("", driver.Launch{}, err)
	}
	return f
}

// fetched is a copy on its way, until it is read.
type fetched struct {
	b      *Backend
	way    driver.Fetched // nil once it has been waited for, and if the device had failed
	values []float32
}

func (f *fetched) Ready() bool { return f.way == nil }

func (f *fetched) Read() ([]float32, error) {
	b := f.b
	var raw []byte
	var err error
	if f.way != nil {
		raw, err = f.way.Wait()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if f.way != nil {
		f.way = nil
		if err != nil && b.err == nil {
			b.err = b.late(err)
		}
		f.values = make([]float32, len(raw)/4)
		copy(bytesOf(f.values), raw)
	}
	return f.values, b.err
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
