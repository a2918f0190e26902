// Package memplan is a driver.Driver that launches nothing. It keeps the accounts of
// device memory: the CUDA backend on it takes from the device exactly what it would
// take on hardware, with its pool, its workspaces and its rounding, and fails
// where that would fail.
package memplan

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/ptx"
)

// Device is a GPU that does nothing.
type Device struct {
	info driver.Info

	mu         sync.Mutex
	next       driver.Ptr
	live       map[driver.Ptr]int64
	used, peak int64
	launches   int64
	closed     bool
}

var _ driver.Driver = (*Device)(nil)

// New makes a device that calls itself info. Of its memory info.Memory bytes may be
// taken; 0 means no limit.
func New(info driver.Info) *Device {
	return &Device{info: info, next: align, live: map[driver.Ptr]int64{}}
}

const align = 256

// Info is what New was given, with the memory that is free now.
func (d *Device) Info() driver.Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := d.info
	i.FreeMemory = i.Memory - d.used
	return i
}

// Peak is the most bytes that were taken at once.
func (d *Device) Peak() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.peak
}

// Launches is the number of kernels launched.
func (d *Device) Launches() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.launches
}

var errClosed = errors.New("planned device: closed")

// check is the error of every call after Close. The caller locks.
func (d *Device) check() error {
	if d.closed {
		return errClosed
	}
	return nil
}

// Alloc takes nothing but a range of addresses, and counts.
func (d *Device) Alloc(bytes int64) (driver.Ptr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(); err != nil {
		return 0, err
	}
	if bytes < 1 {
		return 0, fmt.Errorf("planned device: Alloc of %d bytes", bytes)
	}
	most := d.info.Memory
	if most == 0 {
		most = math.MaxInt64 - align
	}
	if bytes > most-d.used {
		return 0, fmt.Errorf("planned device: %w: %d bytes wanted, %d in use of %d", driver.ErrOutOfMemory, bytes, d.used, most)
	}
	p := d.next
	d.next += driver.Ptr((bytes + align - 1) / align * align)
	d.live[p] = bytes
	d.used += bytes
	d.peak = max(d.peak, d.used)
	return p, nil
}

// Free counts.
func (d *Device) Free(p driver.Ptr) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(); err != nil {
		return err
	}
	bytes, ok := d.live[p]
	if !ok {
		return fmt.Errorf("planned device: Free of %#x, which is no allocation", uint64(p))
	}
	delete(d.live, p)
	d.used -= bytes
	return nil
}

// ToDevice copies nothing.
func (d *Device) ToDevice(dst driver.Ptr, src []byte) error { return d.Sync() }

// ToHost fills dst with zeros.
func (d *Device) ToHost(dst []byte, src driver.Ptr) error {
	clear(dst)
	return d.Sync()
}

// Fetch returns zeros.
func (d *Device) Fetch(from []driver.Span) (driver.Fetched, error) {
	n := int64(0)
	for _, s := range from {
		n += s.Bytes
	}
	return fetched(make([]byte, n)), d.Sync()
}

type fetched []byte

func (f fetched) Wait() ([]byte, error) { return f, nil }

// Fill32 does nothing.
func (d *Device) Fill32(dst driver.Ptr, word uint32, n int64) error { return d.Sync() }

type module struct {
	d      *Device
	parsed *ptx.Module
}

type kernel struct {
	d     *Device
	entry driver.Entry
}

func (k *kernel) Name() string { return k.entry.Name }

// Kernel finds an entry by name.
func (m module) Kernel(name string) (driver.Kernel, error) {
	e, err := driver.EntryIn(m.parsed, name)
	if err != nil {
		return nil, fmt.Errorf("planned device: %w", err)
	}
	return &kernel{m.d, e}, nil
}

// Load parses PTX.
func (d *Device) Load(text string) (driver.Module, error) {
	m, err := ptx.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("planned device: %w", err)
	}
	return module{d, m}, d.Sync()
}

// Check is what Launch refuses.
func (k *kernel) Check(l driver.Launch, args ...any) error {
	if _, err := k.entry.Slots(&k.d.info, l, args); err != nil {
		return fmt.Errorf("planned device: %w", err)
	}
	return nil
}

// Capture checks the calls as Launch does.
func (d *Device) Capture(calls []driver.Call) (driver.Graph, error) {
	for _, c := range calls {
		if c.Kernel == nil {
			continue
		}
		if err := c.Kernel.Check(c.Launch, c.Args...); err != nil {
			return nil, err
		}
	}
	return &graph{d, calls}, d.Sync()
}

type graph struct {
	d     *Device
	calls []driver.Call
}

// Replay counts the launches.
func (g *graph) Replay() error {
	for i, c := range g.calls {
		if c.Kernel == nil {
			continue
		}
		if err := g.d.Launch(c.Kernel, c.Launch, c.Args...); err != nil {
			return &driver.CallError{Index: i, Err: err}
		}
	}
	return nil
}

// Free does nothing.
func (g *graph) Free() error { return nil }

// Launch checks a launch as hardware would, but for static shared memory, and counts it.
func (d *Device) Launch(k driver.Kernel, l driver.Launch, args ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(); err != nil {
		return err
	}
	own, ok := k.(*kernel)
	if !ok || own.d != d {
		return &driver.ArgumentError{Msg: "planned device: Launch of a kernel that another device loaded"}
	}
	if err := own.Check(l, args...); err != nil {
		return err
	}
	d.launches++
	return nil
}

// RecordEvent is a place in a stream in which nothing takes time.
func (d *Device) RecordEvent() (driver.Event, error) { return struct{}{}, d.Sync() }

// Elapsed is zero.
func (d *Device) Elapsed(from, to driver.Event) (time.Duration, error) { return 0, d.Sync() }

// Sync fails once the device is closed.
func (d *Device) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.check()
}

// Close ends the device.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.check()
	d.closed = true
	return err
}
