package cpu

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"voxgrad/device"
	"voxgrad/internal/text"
)

var errClosed = errors.New("cpu: the backend is closed")

// buffer is the Mem of a tensor.
type buffer struct {
	owner *Backend
	data  []float32 // exactly the tensor's elements; nil if there was no memory
	whole []float32 // what goes back to the pool
	freed atomic.Bool
}

// Bytes is the size of the tensor's elements.
func (m *buffer) Bytes() int64 { return int64(len(m.data)) * 4 }

// Alloc reuses freed memory of about the same size where there is some.
func (b *Backend) Alloc(s device.Shape) device.Tensor {
	device.CheckShape("cpu", s)
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
	b.mu.Lock()
	defer b.mu.Unlock()
	if wrong := b.own(t); wrong != "" {
		panic(fmt.Sprintf("cpu: Free: tensor %v %s", t.Shape, wrong))
	}
	m := t.Mem.(*buffer)
	m.freed.Store(true)
	b.pool.used -= m.Bytes()
	b.pool.give(m.whole)
	m.data, m.whole = nil, nil
}

// own reports what is wrong with a tensor's memory.
func (b *Backend) own(t device.Tensor) string {
	m, ok := t.Mem.(*buffer)
	switch {
	case !ok || m.owner != b:
		return "is not from this backend"
	case m.freed.Load():
		return "was freed before"
	case m.data != nil && len(m.data) != t.Len():
		return fmt.Sprintf("is in memory for %d elements", len(m.data))
	}
	return ""
}

// data is the memory of a tensor, nil where it is absent. The checks come before.
func data(t device.Tensor) []float32 {
	if t.None() {
		return nil
	}
	return t.Mem.(*buffer).data
}

// into is the memory of a gradient, nil if it is not wanted.
func into(g device.Into) []float32 {
	if g.Mode == device.Skip {
		return nil
	}
	return data(g.Tensor)
}

// Upload copies from the host.
func (b *engine) Upload(t device.Tensor, src []float32) {
	x := data(t)
	copy(x, src)
}

// Download copies to the host.
func (b *engine) Download(dst []float32, t device.Tensor) {
	x := data(t)
	copy(dst, x)
}

// Fill sets every element.
func (b *engine) Fill(t device.Tensor, v float32) {
	x := data(t)
	elements(len(x), func(lo, hi int) {
		p := x[lo:hi]
		for i := range p {
			p[i] = v
		}
	})
}

// Copy copies or adds.
func (b *engine) Copy(dst device.Into, src device.Tensor) {
	d, s := data(dst.Tensor), data(src)
	elements(len(d), func(lo, hi int) {
		if dst.Mode == device.Set {
			copy(d[lo:hi], s[lo:hi])
		} else {
			b.add(d[lo:hi], s[lo:hi])
		}
	})
}

// Blend computes in float32.
func (b *engine) Blend(y, x, z device.Tensor, p, q float64) {
	yd, xd, zd := data(y), data(x), data(z)
	p32, q32 := float32(p), float32(q)
	elements(len(yd), func(lo, hi int) {
		y, x, z := yd[lo:hi], xd[lo:hi], zd[lo:hi]
		for i := range y {
			y[i] = p32*x[i] + q32*z[i]
		}
	})
}

// NonFinite counts NaNs and infinities.
func (b *engine) NonFinite(found device.Tensor, xs []device.Tensor) {
	f := data(found)
	sum := 0.0
	for i, x := range xs {
		n := nonFinite(data(x))
		if n > 0 && sum == 0 && f[0] == 0 {
			f[1] = float32(i)
		}
		sum += float64(n)
	}
	f[0] = float32(float64(f[0]) + sum)
}

func nonFinite(x []float32) int64 {
	var total atomic.Int64
	elements(len(x), func(lo, hi int) {
		n := 0
		for _, v := range x[lo:hi] {
			if math.Float32bits(v)&0x7f800000 == 0x7f800000 {
				n++
			}
		}
		total.Add(int64(n))
	})
	return total.Load()
}

// AllocWith copies to tensor after tensor.
func (b *Backend) AllocWith(shapes []device.Shape, values [][]float32) []device.Tensor {
	return device.AllocEach(b, shapes, values)
}

// Fetch copies at once: every call has ended when it returns.
func (b *Backend) Fetch(ts ...device.Tensor) device.Fetched { return device.FetchNow(b, ts) }

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
// beyond what the machine has.
func (b *Backend) SetLimit(n int64) {
	if n < 1 {
		n = math.MaxInt64 / 4
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pool.limit, b.pool.auto = n, false
}

// pool keeps freed memory for reuse. A training step asks for the same sizes
// again and again, so nearly every request finds an exact fit. The caller locks.
type pool struct {
	free  map[int][][]float32 // by capacity in floats
	held  int64               // bytes in free
	used  int64               // bytes of live tensors
	peak  int64
	high  int64 // peak that ResetPeak leaves alone
	limit int64
	auto  bool // the limit is what the machine has to spare
}

// roundUp makes sizes meet more often: to 1 KiB, above 1 MiB to 64 KiB.
func roundUp(n int) int {
	unit := 1 << 8
	if n > 1<<18 {
		unit = 1 << 14
	}
	return max(unit, (n+unit-1)/unit*unit)
}

// take returns n floats.
func (p *pool) take(n int) ([]float32, error) {
	want := roundUp(n)
	best := 0
	for size := range p.free {
		if size >= want && size <= want+want/4 && (best == 0 || size < best) {
			best = size
		}
	}
	if best != 0 {
		return p.pop(best), nil
	}
	bytes := int64(want) * 4
	if p.auto && bytes > p.limit-p.used {
		p.limit = p.used + p.held + availableMemory() // others may have left since
	}
	if bytes > p.limit-p.used {
		return nil, fmt.Errorf("%s wanted, %s in use, limit %s (use smaller patches or a smaller batch)",
			text.Bytes(bytes), text.Bytes(p.used), text.Bytes(p.limit))
	}
	// Keep unused memory to half of what the work has needed so far.
	room := min(p.limit, max(p.high, p.used+bytes)/2*3)
	for p.held > 0 && p.used+p.held+bytes > room {
		largest := 0
		for s := range p.free {
			largest = max(largest, s)
		}
		p.pop(largest)
	}
	return aligned(want), nil
}

func (p *pool) pop(size int) []float32 {
	list := p.free[size]
	x := list[len(list)-1]
	list[len(list)-1] = nil
	if len(list) == 1 {
		delete(p.free, size)
	} else {
		p.free[size] = list[:len(list)-1]
	}
	p.held -= int64(size) * 4
	return x
}

func (p *pool) give(x []float32) {
	if cap(x) == 0 {
		return
	}
	p.free[cap(x)] = append(p.free[cap(x)], x[:cap(x)])
	p.held += int64(cap(x)) * 4
}

// availableMemory is what Linux says can be used without swapping, or what is
// left of the control group's limit if that is less; elsewhere no limit.
func availableMemory() int64 {
	const most = math.MaxInt64 / 4
	limit := int64(most)
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			f := strings.Fields(line)
			if len(f) == 3 && f[0] == "MemAvailable:" {
				if kib, err := strconv.ParseInt(f[1], 10, 64); err == nil {
					limit = kib << 10
				}
			}
		}
	}
	const group = "/sys/fs/cgroup"
	for _, names := range [][2]string{{"memory.max", "memory.current"}, {"memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"}} {
		most, err1 := readInt(filepath.Join(group, names[0]))
		now, err2 := readInt(filepath.Join(group, names[1]))
		if err1 == nil && err2 == nil && most > now {
			limit = min(limit, most-now)
		}
	}
	return limit
}

func readInt(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
}
