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

// Launch runs a kernel and returns when it has ended. Wrong arguments are an
// error; a *Fault stops the device for good, as on hardware.
func (d *Device) Launch(kernelOf driver.Kernel, l driver.Launch, args ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return err
	}
	k, ok := kernelOf.(*kernel)
	if !ok || k.mod.d != d {
		return &driver.ArgumentError{Msg: "emulator: Launch of a kernel that another device loaded"}
	}
	slots, err := k.entry.Slots(d.limits(), l, args)
	if err != nil {
		return fmt.Errorf("emulator: %w", err)
	}
	d.launch++
	la := &launch{k: k, launch: l, args: make([]byte, 8*len(slots)), number: d.launch}
	for i, a := range slots {
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
	grid, row := l.launch.Grid.Count(), l.launch.Grid.X
	ends := row // blocks that are executed of each row
	if n := d.opt.endBlocks; n > 0 && grid > 1024 {
		ends = min(n, row)
		grid = grid / row * ends
	}
	skipped := 0 // rows
	if d.opt.lastRow {
		skipped, grid = l.launch.Grid.Count()/row-1, ends
	}
	end := func(i int) int { return (skipped+i/ends)*row + row - ends + i%ends }
	at := end
	if d.opt.shuffle {
		order := rand.New(rand.NewPCG(d.opt.seed, uint64(grid))).Perm(grid)
		at = func(i int) int { return end(order[i]) }
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
