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
	device.Ops // checks a call and runs it on loops

	mu        sync.Mutex
	live      map[*buffer[F]]struct{}
	now, peak int64
}

// loops are the operations.
type loops[F constraints.Float] struct{}

type buffer[F constraints.Float] struct {
	owner *Backend[F]
	data  []F // all[pad : len(all)−pad]
	all   []F
	freed bool
}

func (m *buffer[F]) Bytes() int64 { return int64(len(m.all)) * int64(unsafe.Sizeof(F(0))) }

// New opens a backend. F is float32 or float64.
func New[F constraints.Float]() *Backend[F] {
	b := &Backend[F]{live: map[*buffer[F]]struct{}{}}
	b.Ops = func(c *device.Call) {
		if !c.Idle() {
			c.Check("ref", b.own)
			c.RunAndMask(loops[F]{})
		}
	}
	return b
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
	device.CheckShape("ref", s)
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
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse("Free", t)
	m := t.Mem.(*buffer[F])
	m.freed = true
	poison(m.data)
	delete(b.live, m)
	b.now -= m.Bytes()
}

// Data is t's memory itself, for the host to read and write in full precision.
func (b *Backend[F]) Data(t device.Tensor) []F {
	b.refuse("Data", t)
	return loops[F]{}.data(t)
}

// own reports what is wrong with a tensor's memory.
func (b *Backend[F]) own(t device.Tensor) string {
	m, ok := t.Mem.(*buffer[F])
	switch {
	case !ok || m.owner != b:
		return "is not from this backend"
	case m.freed:
		return "was freed before"
	case len(m.data) != t.Len():
		return fmt.Sprintf("is in memory for %d elements", len(m.data))
	}
	return ""
}

// refuse panics unless t is a live tensor of b.
func (b *Backend[F]) refuse(op string, t device.Tensor) {
	if wrong := b.own(t); wrong != "" {
		panic(fmt.Sprintf("ref: %s: tensor %v %s", op, t.Shape, wrong))
	}
}

// data is t's memory, nil where t is absent. The checks come before.
func (loops[F]) data(t device.Tensor) []F {
	if t.None() {
		return nil
	}
	return t.Mem.(*buffer[F]).data
}

// put stores a gradient as its mode says.
func (b loops[F]) put(g device.Into, v []float64) {
	if g.Mode == device.Skip {
		return
	}
	o := b.data(g.Tensor)
	for i, v := range v {
		if g.Mode == device.Add {
			v += float64(o[i])
		}
		o[i] = F(v)
	}
}

func poison[F constraints.Float](x []F) {
	for i := range x {
		x[i] = F(math.NaN())
	}
}

// Upload implements device.Memory.
func (b loops[F]) Upload(t device.Tensor, src []float32) {
	x := b.data(t)
	for i, v := range src {
		x[i] = F(v)
	}
}

// Download implements device.Memory.
func (b loops[F]) Download(dst []float32, t device.Tensor) {
	x := b.data(t)
	for i, v := range x {
		dst[i] = float32(v)
	}
}

// Fill implements device.Memory.
func (b loops[F]) Fill(t device.Tensor, v float32) {
	x := b.data(t)
	for i := range x {
		x[i] = F(v)
	}
}

// Copy implements device.Memory.
func (b loops[F]) Copy(dst device.Into, src device.Tensor) {
	x := b.data(src)
	v := make([]float64, len(x))
	for i := range x {
		v[i] = float64(x[i])
	}
	b.put(dst, v)
}

// Blend implements device.Transfer.
func (b loops[F]) Blend(y, x, z device.Tensor, p, q float64) {
	yd, xd, zd := b.data(y), b.data(x), b.data(z)
	for i := range yd {
		yd[i] = F(p*float64(xd[i]) + q*float64(zd[i]))
	}
}

// NonFinite implements device.Memory.
func (b loops[F]) NonFinite(found device.Tensor, xs []device.Tensor) {
	f := b.data(found)
	n := 0
	for i, x := range xs {
		for _, v := range b.data(x) {
			if f64 := float64(v); math.IsNaN(f64) || math.IsInf(f64, 0) {
				if n == 0 && f[0] == 0 {
					f[1] = F(i)
				}
				n++
			}
		}
	}
	f[0] += F(n)
}

// AllocWith implements device.Memory.
func (b *Backend[F]) AllocWith(shapes []device.Shape, values [][]float32) []device.Tensor {
	return device.AllocEach(b, shapes, values)
}

// Fetch implements device.Memory.
func (b *Backend[F]) Fetch(ts ...device.Tensor) device.Fetched { return device.FetchNow(b, ts) }

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
