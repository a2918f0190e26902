//go:build cuda && cgo && linux && amd64

package gpu

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"voxgrad/cuda/driver"

	"gorgonia.org/cu"
)

// queue is how many calls may wait for the thread.
const queue = 1024

// Device is a GPU with a context and a stream. One goroutine, locked to its OS
// thread, makes all calls of the driver; others send it jobs.
type Device struct {
	index int
	info  driver.Info // without FreeMemory

	mu     sync.RWMutex // held for reading while a job is sent
	closed bool
	jobs   chan job
	ended  chan struct{} // closed when the thread has ended
	result error         // of closing; valid when ended is closed

	lost atomic.Pointer[error] // the first failure of the device

	spareMu sync.Mutex
	spare   []cu.Event // timing events that nobody holds any more

	// Of the thread alone:
	ctx    cu.CUContext
	stream cu.Stream
	stage  staging
	events []cu.Event // all that were made

	allPins [][]byte
	pins    [][]byte // pinned memory that no copy to the host uses
	sizes   map[driver.Ptr]int64
	used    int64
}

// job is work for the thread. Its error goes to done or, if nobody waits, it is
// one of the device.
type job struct {
	name string
	run  func() error
	done chan error
}

// run is the thread. It reports once whether it has a context and then works until jobs is closed.
func (d *Device) run(opened chan<- error) {
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	defer close(d.ended)
	err := d.setUp()
	if err != nil {
		_ = d.tearDown()
	}
	opened <- err
	if err != nil {
		return
	}
	for j := range d.jobs {
		err := d.usable()
		if err == nil {
			err = j.run()
			if err != nil && (j.done == nil || !errors.As(err, new(*refused)) && !argument(code(err))) {
				err = d.lose(d.failure(j.name, err))
			} else if err != nil {
				err = d.failure(j.name, err)
			}
		}
		if j.done != nil {
			j.done <- err
		}
	}
	d.result = d.tearDown()
}

// refused is an error of the arguments that this package found.
type refused struct {
	msg   string
	cause error // nil for most
}

func (r *refused) Error() string { return r.msg }
func (r *refused) Unwrap() error { return r.cause }

func refuse(format string, a ...any) error {
	err := fmt.Errorf(format, a...)
	return &refused{err.Error(), errors.Unwrap(err)}
}

// setUp makes the context, current on this thread, with all that belongs to it. A
// waiting thread sleeps: the processor is needed to prepare the next batch.
func (d *Device) setUp() (err error) {
	d.sizes = map[driver.Ptr]int64{}
	if d.ctx, err = cu.Device(d.index).MakeContext(cu.SchedBlockingSync); err != nil {
		return err
	}
	// A stream other than the default one can be captured as a graph.
	if d.stream, err = cu.MakeStream(cu.NonBlocking); err != nil {
		return err
	}
	return d.stage.open()
}

// tearDown destroys the context with memory and modules. Of a lost device nothing
// can be destroyed, and that it was lost has been said.
func (d *Device) tearDown() error {
	var errs []error
	if d.stream != (cu.Stream{}) {
		errs = append(errs, d.stream.Synchronize())
	}
	errs = append(errs, d.stage.close())
	for _, p := range d.allPins {
		errs = append(errs, cu.MemFreeHost(unsafe.Pointer(&p[0])))
	}
	for i := range d.events {
		errs = append(errs, cu.DestroyEvent(&d.events[i]))
	}
	if d.stream != (cu.Stream{}) {
		errs = append(errs, d.stream.Destroy())
	}
	if d.ctx != (cu.CUContext{}) {
		errs = append(errs, d.ctx.Destroy())
	}
	for _, err := range errs {
		if err != nil && d.usable() == nil {
			return d.failure("Close", err)
		}
	}
	return nil
}

// send queues a job; it fails at once after a failure of the device.
func (d *Device) send(j job) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return errClosed
	}
	if err := d.usable(); err != nil {
		return err
	}
	d.jobs <- j
	return nil
}

// call runs f on the thread, after all that was queued, and waits for it.
func (d *Device) call(name string, f func() error) error {
	done := make(chan error, 1)
	if err := d.send(job{name, f, done}); err != nil {
		return err
	}
	return <-done
}

// Info describes the device, with the memory that is free now.
func (d *Device) Info() driver.Info {
	i := d.info
	// After a failure the rest is still right, and the failure is said elsewhere.
	_ = d.call("Info", func() (err error) {
		i.FreeMemory, _, err = cu.MemInfo()
		return err
	})
	return i
}

// Sync waits for all earlier work.
func (d *Device) Sync() error {
	return d.call("Sync", d.stream.Synchronize)
}

// event is a driver.Event. Its CUDA event is the thread's.
type event struct {
	d     *Device
	event *cu.Event
}

// RecordEvent queues the recording of an event.
func (d *Device) RecordEvent() (driver.Event, error) {
	m := &event{d, new(cu.Event)}
	err := d.send(job{name: "RecordEvent", run: func() (err error) {
		if *m.event, err = d.takeEvent(); err != nil {
			return err
		}
		return m.event.Record(d.stream)
	}})
	if err != nil {
		return nil, err
	}
	runtime.AddCleanup(m, func(e *cu.Event) { // not before the job that holds m has run
		if *e != (cu.Event{}) {
			d.spareMu.Lock()
			d.spare = append(d.spare, *e)
			d.spareMu.Unlock()
		}
	}, m.event)
	return m, nil
}

// takeEvent returns an event that is in no use.
func (d *Device) takeEvent() (cu.Event, error) {
	d.spareMu.Lock()
	defer d.spareMu.Unlock()
	if n := len(d.spare); n > 0 {
		e := d.spare[n-1]
		d.spare = d.spare[:n-1]
		return e, nil
	}
	e, err := cu.MakeEvent(cu.BlockingSyncEvent)
	if err == nil {
		d.events = append(d.events, e)
	}
	return e, err
}

// Elapsed waits for both events; the device's clock has a resolution of about half a microsecond.
func (d *Device) Elapsed(from, to driver.Event) (time.Duration, error) {
	a, ok := from.(*event)
	b, ok2 := to.(*event)
	if !ok || !ok2 || a.d != d || b.d != d {
		return 0, fmt.Errorf("GPU %d: Elapsed: an event of another device", d.index)
	}
	var ms float64
	err := d.call("Elapsed", func() (err error) {
		if err = a.event.Synchronize(); err != nil {
			return err
		}
		if err = b.event.Synchronize(); err != nil {
			return err
		}
		ms, err = a.event.Elapsed(*b.event)
		return err
	})
	return time.Duration(ms * float64(time.Millisecond)), err
}

// Close waits for all work and destroys the context with all memory and modules.
func (d *Device) Close() error {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return errClosed
	}
	d.closed = true
	close(d.jobs)
	d.mu.Unlock()
	<-d.ended
	return d.result
}
