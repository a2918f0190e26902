//go:build cuda && cgo && linux && amd64

package gpu

import (
	"slices"
	"unsafe"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/gpu/internal/cudrv"
	"voxgrad/internal/text"

	"gorgonia.org/cu"
)

// Copies go through a ring of pinned buffers: the device copies from or to some
// while the processor fills or empties another.
const (
	stageBuffers = 4
	stageBytes   = 4 << 20
)

type staging struct {
	memory []byte
	done   [stageBuffers]cu.Event // when the device is done with the buffer
	next   int
}

func (s *staging) open() (err error) {
	if s.memory, err = cudrv.AllocHost(stageBuffers * stageBytes); err != nil {
		return err
	}
	for i := range s.done {
		if s.done[i], err = cu.MakeEvent(cu.DisableTiming | cu.BlockingSyncEvent); err != nil {
			return err
		}
	}
	return nil
}

func (s *staging) close() error {
	var first error
	for i := range s.done {
		if s.done[i] != (cu.Event{}) {
			if err := cu.DestroyEvent(&s.done[i]); first == nil {
				first = err
			}
		}
	}
	if s.memory != nil {
		if err := cu.MemFreeHost(unsafe.Pointer(&s.memory[0])); first == nil {
			first = err
		}
		s.memory = nil
	}
	return first
}

// take returns the next buffer once the device is done with it.
func (s *staging) take() (i int, buf []byte, err error) {
	i = s.next
	s.next = (i + 1) % stageBuffers
	return i, s.memory[i*stageBytes : (i+1)*stageBytes], s.done[i].Synchronize()
}

// Alloc returns memory, which cuMemAlloc aligns to 256 bytes at least.
func (d *Device) Alloc(bytes int64) (p driver.Ptr, err error) {
	err = d.call("Alloc", func() error {
		if bytes <= 0 {
			return refuse("%d bytes", bytes)
		}
		ptr, err := cu.MemAlloc(bytes)
		if code(err) == outOfMemory {
			free, total, err := cu.MemInfo()
			if err != nil {
				return err
			}
			return refuse("%w: %s (%d bytes) asked for, %s of %s are free, this process has %s in %d allocations",
				driver.ErrOutOfMemory, text.Bytes(bytes), bytes, text.Bytes(free), text.Bytes(total), text.Bytes(d.used), len(d.sizes))
		}
		if err != nil {
			return err
		}
		p = driver.Ptr(ptr)
		d.sizes[p] = bytes
		d.used += bytes
		return nil
	})
	return p, err
}

// Free waits for the work that uses the memory.
func (d *Device) Free(p driver.Ptr) error {
	return d.call("Free", func() error {
		n, ok := d.sizes[p]
		if !ok {
			return refuse("nothing is allocated at %#x", uint64(p))
		}
		if err := cu.MemFree(cu.DevicePtr(p)); err != nil {
			return err
		}
		delete(d.sizes, p)
		d.used -= n
		return nil
	})
}

// ToDevice returns when src has been read.
func (d *Device) ToDevice(dst driver.Ptr, src []byte) error {
	return d.call("ToDevice", func() error {
		for len(src) > 0 {
			i, buf, err := d.stage.take()
			if err != nil {
				return err
			}
			n := copy(buf, src)
			if err := cu.MemcpyHtoDAsync(cu.DevicePtr(dst), unsafe.Pointer(&buf[0]), int64(n), d.stream); err != nil {
				return err
			}
			if err := d.stage.done[i].Record(d.stream); err != nil {
				return err
			}
			src, dst = src[n:], dst+driver.Ptr(n)
		}
		return nil
	})
}

// ToHost returns when all earlier work is done and dst has been written.
func (d *Device) ToHost(dst []byte, src driver.Ptr) error {
	return d.call("ToHost", func() error {
		if len(dst) == 0 {
			return d.stream.Synchronize()
		}
		type piece struct {
			i   int
			buf []byte
			to  []byte
		}
		var under []piece // way; at most one for each buffer
		finish := func() error {
			p := under[0]
			under = under[1:]
			if err := d.stage.done[p.i].Synchronize(); err != nil {
				return err
			}
			copy(p.to, p.buf)
			return nil
		}
		for len(dst) > 0 {
			if len(under) == stageBuffers {
				if err := finish(); err != nil {
					return err
				}
			}
			i, buf, err := d.stage.take()
			if err != nil {
				return err
			}
			n := min(len(dst), stageBytes)
			if err := cu.MemcpyDtoHAsync(unsafe.Pointer(&buf[0]), cu.DevicePtr(src), int64(n), d.stream); err != nil {
				return err
			}
			if err := d.stage.done[i].Record(d.stream); err != nil {
				return err
			}
			under = append(under, piece{i, buf, dst[:n]})
			dst, src = dst[n:], src+driver.Ptr(n)
		}
		for len(under) > 0 {
			if err := finish(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Fill32 writes n words.
func (d *Device) Fill32(dst driver.Ptr, word uint32, n int64) error {
	return d.call("Fill32", func() error {
		if err := fillable(dst, n); err != nil || n == 0 {
			return err
		}
		return cu.MemsetD32Async(cu.DevicePtr(dst), uint(word), n, d.stream)
	})
}

func fillable(dst driver.Ptr, n int64) error {
	switch {
	case dst%4 != 0:
		return refuse("address %#x is no multiple of 4", uint64(dst))
	case n < 0:
		return refuse("%d words", n)
	}
	return nil
}

// fetched is a copy into pinned memory of its own.
type fetched struct {
	d      *Device
	bytes  int64
	memory []byte   // of the thread until the event has passed
	event  cu.Event // of the thread
}

// Fetch queues the copies. The thread keeps the pinned memory for later ones.
func (d *Device) Fetch(from []driver.Span) (driver.Fetched, error) {
	f := &fetched{d: d}
	for _, s := range from {
		f.bytes += s.Bytes
	}
	err := d.send(job{name: "Fetch", run: func() (err error) {
		if f.memory, err = d.pinned(f.bytes); err != nil {
			return err
		}
		at := int64(0)
		for _, s := range from {
			if s.Bytes == 0 {
				continue
			}
			if err := cu.MemcpyDtoHAsync(unsafe.Pointer(&f.memory[at]), cu.DevicePtr(s.Ptr), s.Bytes, d.stream); err != nil {
				return err
			}
			at += s.Bytes
		}
		if f.event, err = d.takeEvent(); err != nil {
			return err
		}
		return f.event.Record(d.stream)
	}})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Wait waits for the event behind the copies.
func (f *fetched) Wait() ([]byte, error) {
	out := make([]byte, f.bytes)
	err := f.d.call("Wait", func() error {
		if f.memory == nil {
			return refuse("a copy to the host is waited for a second time")
		}
		if err := f.event.Synchronize(); err != nil {
			return err
		}
		copy(out, f.memory)
		f.d.spareMu.Lock()
		f.d.spare = append(f.d.spare, f.event)
		f.d.spareMu.Unlock()
		f.d.pins = append(f.d.pins, f.memory)
		f.memory = nil
		return nil
	})
	return out, err
}

// pinned returns memory that the device can write to, of no other use now.
func (d *Device) pinned(bytes int64) ([]byte, error) {
	for i, p := range d.pins {
		if int64(len(p)) >= bytes {
			d.pins = slices.Delete(d.pins, i, i+1)
			return p, nil
		}
	}
	p, err := cudrv.AllocHost(int(max(bytes, 4096)))
	if err == nil {
		d.allPins = append(d.allPins, p)
	}
	return p, err
}
