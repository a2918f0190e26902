package emu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"voxgrad/cuda/driver"
	"voxgrad/internal/par"
)

// launch is a kernel with its geometry and arguments.
type launch struct {
	k      *kernel
	launch driver.Launch
	args   []byte // 8 bytes a parameter
	number uint32
}

// arg is an argument as a slot holds it.
func (l *launch) arg(a paramSlot) uint64 { return extend(l.args[a.off:], a.n, a.signed) }

// check refuses what a driver refuses before anything runs.
func (d *Device) check(k *kernel, l driver.Launch, args []uint64) error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("emulator: kernel %s: %s (launched with %v)", k.name, fmt.Sprintf(format, a...), l)
	}
	if len(args) != len(k.params) {
		return bad("%d arguments, the entry has %d parameters", len(args), len(k.params))
	}
	for i, p := range k.params {
		if p.size > 8 {
			return bad("parameter %s has %d bytes; an argument slot has 8", p.name, p.size)
		}
		if hi := args[i] >> (8 * p.size); p.size < 8 && hi != 0 && hi != math.MaxUint64>>(8*p.size) {
			return bad("argument %d for parameter %s is %#x and does not fit its %d bytes", i, p.name, args[i], p.size)
		}
	}
	g, b := l.Grid, l.Block
	if g.X < 1 || g.Y < 1 || g.Z < 1 || g.X > math.MaxInt32 || g.Y > 65535 || g.Z > 65535 {
		return bad("the grid must be within 2147483647 x 65535 x 65535 blocks")
	}
	if b.X < 1 || b.Y < 1 || b.Z < 1 || b.X > 1024 || b.Y > 1024 || b.Z > 64 || b.Count() > 1024 {
		return bad("a block must be within 1024 x 1024 x 64 threads and have at most 1024")
	}
	if r := k.reqNTid; r[0] > 0 && r != [3]int{b.X, b.Y, b.Z} {
		return bad("it was compiled for blocks of exactly %v threads (.reqntid)", r)
	}
	if m := k.maxNTid; m[0] > 0 && b.Count() > m[0]*m[1]*m[2] {
		return bad("it was compiled for blocks of at most %d threads (.maxntid, __launch_bounds__)", m[0]*m[1]*m[2])
	}
	if l.Shared < 0 {
		return bad("a negative size of dynamic shared memory")
	}
	// Static shared memory is bound by what needs no opting in, the sum by both.
	if k.static > d.opt.shared {
		return bad("%d bytes of static shared memory, a block may have %d", k.static, d.opt.shared)
	}
	if k.static+l.Shared > d.opt.sharedIn {
		return bad("%d bytes of static and %d of dynamic shared memory, a block may have %d", k.static, l.Shared, d.opt.sharedIn)
	}
	return nil
}

// Launch runs a kernel and returns when it has ended. Wrong arguments are an
// error; a *Fault stops the device for good, as on hardware.
func (d *Device) Launch(kernelOf driver.Kernel, l driver.Launch, args ...uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return err
	}
	k, ok := kernelOf.(*kernel)
	if !ok || k.mod.d != d {
		return fmt.Errorf("emulator: Launch of a kernel that another device loaded")
	}
	if err := d.check(k, l, args); err != nil {
		return err
	}
	d.launch++
	la := &launch{k: k, launch: l, args: make([]byte, 8*len(args)), number: d.launch}
	for i, a := range args {
		put64(la.args[8*i:], a)
	}
	if f := d.execute(la); f != nil {
		d.sticky = f
		return f
	}
	return nil
}

// execute runs all blocks and returns the fault of the one with the lowest
// place in the order, which does not depend on the goroutines.
func (d *Device) execute(l *launch) *Fault {
	grid, first := l.launch.Grid.Count(), 0
	if n := d.opt.endBlocks; n > 0 && grid > 1024 {
		grid, first = n, grid-n
	}
	at := func(i int) int { return first + i }
	if d.opt.shuffle {
		order := rand.New(rand.NewPCG(d.opt.seed, uint64(grid))).Perm(grid)
		at = func(i int) int { return first + order[i] }
	}
	threads := d.opt.threads
	if threads < 1 {
		threads = par.Threads()
	}
	threads = min(threads, grid)
	blocks := make([]*block, threads)
	var next atomic.Int64
	var stop atomic.Int64 // place of the first fault so far
	stop.Store(math.MaxInt64)
	var mu sync.Mutex
	var fault *Fault
	work := func(worker int) {
		b := newBlock(l)
		blocks[worker] = b
		for {
			i := next.Add(1) - 1
			if i >= int64(grid) || i > stop.Load() {
				return
			}
			f := b.run(at(int(i)))
			if f == nil {
				continue
			}
			mu.Lock()
			if i < stop.Load() {
				stop.Store(i)
				fault = f
			}
			mu.Unlock()
			return
		}
	}
	par.For(threads, work)
	if fault == nil {
		d.collect(l.k, blocks, grid)
	}
	return fault
}
