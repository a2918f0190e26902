// Package emu is a driver.Driver that executes PTX on the CPU and refuses what
// hardware would silently do: accesses out of range, misaligned or of memory
// nobody wrote, shared-memory races, divergent barriers, matrix instructions of half a warp, asynchronous copies that
// nobody waited for, and more; each is a *Fault with the PTX line, the block and the thread. docs/emulator.md states
// what it models and what it does not, docs/debugging.md how to read a Fault.
//
//	d := emu.New(emu.BlockRaces())
//	b, err := cuda.New(d, cuda.WithoutPool()) // every access beside a tensor is then one
//	…
//	var f *emu.Fault
//	if errors.As(b.Sync(), &f) { … }
//
// Stats and Profile count what kernels did: instructions, bytes, sectors, bank conflicts, the same in every run.
//
// A module is decoded once into a compact form. A warp of 32 lanes executes an
// instruction at a time, an instruction is one function over 32 lanes. Blocks run
// in parallel.
package emu

import (
	"errors"
	"sync"
	"time"

	"voxgrad/cuda/driver"
)

// Device is an emulated GPU.
type Device struct {
	opt options

	mu     sync.Mutex
	slots  []*allocation // by address >> slotBits
	live   map[driver.Ptr]*allocation
	used   int64
	count  int
	launch uint32 // number of the launch
	stats  map[string]*kernelStats
	sticky error
	closed bool

	locks [64]sync.Mutex // of atomics, by address
	start time.Time
}

var _ driver.Driver = (*Device)(nil)

type options struct {
	compute  int
	memory   int64
	shared   int
	sharedIn int
	threads  int
	shuffle  bool
	seed     uint64
	budget   int64
	races    bool

	blockRaces bool

	endBytes  int64
	endBlocks int
	lastRow   bool
}

// Option changes a Device made by New.
type Option func(*options)

// ComputeCapability sets the compute capability times ten that Info reports; 61 without it.
// Any PTX is executed whatever it is, the backend chooses its variant by it.
func ComputeCapability(capability int) Option { return func(o *options) { o.compute = capability } }

// Memory sets the bytes of device memory; 16 GiB without it. The host's memory
// is taken as it is allocated, twice as much as asked for.
func Memory(bytes int64) Option { return func(o *options) { o.memory = bytes } }

// SharedLimit sets the shared memory of a block without and after opting in, in bytes;
// 48 KiB and 99 KiB without it.
func SharedLimit(perCTA, optIn int) Option {
	return func(o *options) { o.shared, o.sharedIn = perCTA, optIn }
}

// Threads sets the number of goroutines that execute blocks; all of par.Threads without it.
func Threads(n int) Option { return func(o *options) { o.threads = n } }

// ShuffleBlocks executes the blocks of a launch in an order drawn with the seed
// instead of ascending: results must not depend on it.
func ShuffleBlocks(seed uint64) Option {
	return func(o *options) { o.shuffle, o.seed = true, seed }
}

// Budget sets the number of instructions a warp may execute in one launch before
// the kernel is taken for a runaway; 2^28 without it.
func Budget(warpInstructions int64) Option { return func(o *options) { o.budget = warpInstructions } }

// BlockRaces looks for races between blocks too: a word of global memory that one
// block writes and another reads or writes in the same launch, by accesses that
// are neither atomic nor volatile. It takes four times the memory and some time.
func BlockRaces() Option { return func(o *options) { o.blockRaces = true } }

// EndsOnly is for work too large for the host: of every allocation only the last bytes, about so many, are
// there, and of every launch of more than 1024 blocks only the last ones along x, so many for each y and z, are executed. An access to the
// other bytes is out of range; what nobody wrote, as the blocks left out might have, is NaN.
func EndsOnly(bytes int64, blocks int) Option {
	return func(o *options) { o.endBytes, o.endBlocks = bytes, blocks }
}

// LastRow is for EndsOnly of a launch whose first blocks need what is not there: of all y and z only the last ones are executed.
func LastRow() Option { return func(o *options) { o.lastRow = true } }

// SkipRaces leaves out the search for shared-memory races, for speed.
func SkipRaces() Option { return func(o *options) { o.races = false } }

// New makes a device.
func New(opts ...Option) *Device {
	d := &Device{
		opt: options{compute: 61, memory: 16 << 30, shared: 48 << 10, sharedIn: 99 << 10, budget: 1 << 28, races: true},
		// Slot 0 holds the null pointer.
		slots: make([]*allocation, 1), live: map[driver.Ptr]*allocation{}, stats: map[string]*kernelStats{}, start: time.Now(),
	}
	for _, o := range opts {
		o(&d.opt)
	}
	return d
}

// Info describes the emulated device.
func (d *Device) Info() driver.Info {
	d.mu.Lock()
	defer d.mu.Unlock()
	return driver.Info{
		Name: "emulator", ComputeCapability: d.opt.compute, Multiprocs: 1,
		Memory: d.opt.memory, FreeMemory: d.opt.memory - d.used,
		SharedPerMP: d.opt.sharedIn + 1<<10, SharedPerCTA: d.opt.shared, SharedOptIn: d.opt.sharedIn,
		Emulated: true,
	}
}

var errClosed = errors.New("emulator: the device is closed")

func (d *Device) usable() error {
	if d.closed {
		return errClosed
	}
	return d.sticky
}

type event time.Time

// RecordEvent notes a time: everything before is done.
func (d *Device) RecordEvent() (driver.Event, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return event(time.Now()), d.usable()
}

// Elapsed is the time between two events as the host measured it.
func (d *Device) Elapsed(from, to driver.Event) (time.Duration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := from.(event)
	b, ok2 := to.(event)
	if !ok || !ok2 {
		return 0, errors.New("emulator: Elapsed with an event of another driver")
	}
	return time.Time(b).Sub(time.Time(a)), d.usable()
}

// Sync returns the error of the kernel that failed, if one did.
func (d *Device) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.usable()
}

// Leaks lists the allocations that were not freed yet, oldest first.
func (d *Device) Leaks() []Leak {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.leaks()
}

func (d *Device) leaks() []Leak {
	var ls []Leak
	for i, a := range d.slots {
		if a != nil && d.live[driver.Ptr(a.base-a.absent)] == a && uint64(i) == a.base>>slotBits {
			ls = append(ls, Leak{driver.Ptr(a.base - a.absent), int64(a.absent + a.size), a.index})
		}
	}
	return ls
}

// Close ends the device. Allocations that were not freed are a *LeakError.
func (d *Device) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return errClosed
	}
	d.closed = true
	ls := d.leaks()
	d.slots, d.live = nil, nil
	if len(ls) > 0 {
		return &LeakError{ls}
	}
	return nil
}
