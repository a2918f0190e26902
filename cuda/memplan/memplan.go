// Package memplan is a driver.Driver that launches nothing. It keeps the accounts of
// device memory: the CUDA backend on it takes from the device exactly what it would
// take on hardware, with its pool, its workspaces and its rounding, and fails
// where that would fail.
package memplan

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"voxgrad/cuda/driver"
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

var errClosed = errors.New("dry device: closed")

// check is the error of every call after Close. The caller locks.
func (d *Device) check() error {
	if d.closed {
		return errClosed
	}
	return nil
}

// Alloc counts.
func (d *Device) Alloc(bytes int64) (driver.Ptr, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(); err != nil {
		return 0, err
	}
	if bytes < 1 {
		return 0, fmt.Errorf("dry device: Alloc of %d bytes", bytes)
	}
	if d.info.Memory > 0 && bytes > d.info.Memory-d.used {
		return 0, fmt.Errorf("dry device: %w: %d bytes wanted, %d in use of %d", driver.ErrOutOfMemory, bytes, d.used, d.info.Memory)
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
		return fmt.Errorf("dry device: Free of %#x, which is no allocation", uint64(p))
	}
	delete(d.live, p)
	d.used -= bytes
	return nil
}

// ToDevice drops src.
func (d *Device) ToDevice(dst driver.Ptr, src []byte) error { return d.Sync() }

// ToHost gives zeros.
func (d *Device) ToHost(dst []byte, src driver.Ptr) error {
	clear(dst)
	return d.Sync()
}

// Fill32 does nothing.
func (d *Device) Fill32(dst driver.Ptr, word uint32, n int64) error { return d.Sync() }

type module struct{}

type kernel string

func (k kernel) Name() string { return string(k) }

// Kernel has every name: the backend has looked it up in the PTX before.
func (module) Kernel(name string) (driver.Kernel, error) { return kernel(name), nil }

// Load takes any text.
func (d *Device) Load(ptx string) (driver.Module, error) { return module{}, d.Sync() }

// Launch counts.
func (d *Device) Launch(k driver.Kernel, l driver.Launch, args ...uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.launches++
	return d.check()
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
