//go:build cuda && cgo && linux && amd64

package gpu

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	"voxgrad/cuda/driver"
)

// Launch checks everything that can be checked and queues the kernel. What the
// driver then still refuses is an error of the device, reported by a later call.
func (d *Device) Launch(kernelOf driver.Kernel, l driver.Launch, args ...uint64) error {
	k, ok := kernelOf.(*kernel)
	if !ok || k.d != d {
		return fmt.Errorf("GPU %d: Launch of a kernel that another device loaded", d.index)
	}
	if err := k.check(l, args); err != nil {
		return fmt.Errorf("GPU %d: kernel %s: %w (launched with %v)", d.index, k.Name(), err, l)
	}
	slots := slices.Clone(args)
	return d.send(job{name: "Launch", run: func() error {
		// cu reads 8 bytes behind each pointer, whatever the parameter's size.
		params := make([]unsafe.Pointer, len(slots))
		for i := range slots {
			params[i] = unsafe.Pointer(&slots[i])
		}
		g, b := l.Grid, l.Block
		err := k.optIn(l.Shared)
		if err == nil {
			err = k.handle.Launch(g.X, g.Y, g.Z, b.X, b.Y, b.Z, l.Shared, d.stream, params)
		}
		if err != nil {
			return fmt.Errorf("kernel %s (%v): %w", k.Name(), l, explain(err))
		}
		return nil
	}})
}

// check refuses what the driver would refuse.
func (k *kernel) check(l driver.Launch, args []uint64) error {
	if len(args) != len(k.entry.Params) {
		return refuse("%d arguments, the entry has %d parameters", len(args), len(k.entry.Params))
	}
	for i, p := range k.entry.Params {
		if p.Size > 8 {
			return refuse("parameter %s has %d bytes; an argument slot has 8", p.Name, p.Size)
		}
		if hi := args[i] >> (8 * p.Size); p.Size < 8 && hi != 0 && hi != math.MaxUint64>>(8*p.Size) {
			return refuse("argument %d for parameter %s is %#x and does not fit its %d bytes", i, p.Name, args[i], p.Size)
		}
	}
	g, b := l.Grid, l.Block
	if g.X < 1 || g.Y < 1 || g.Z < 1 || g.X > math.MaxInt32 || g.Y > 65535 || g.Z > 65535 {
		return refuse("the grid must be within 2147483647 x 65535 x 65535 blocks")
	}
	if b.X < 1 || b.Y < 1 || b.Z < 1 || b.X > 1024 || b.Y > 1024 || b.Z > 64 || b.Count() > 1024 {
		return refuse("a block must be within 1024 x 1024 x 64 threads and have at most 1024")
	}
	if r := k.entry.ReqNTid; r[0] > 0 && r != [3]int{b.X, b.Y, b.Z} {
		return refuse("it was compiled for blocks of exactly %v threads (.reqntid)", r)
	}
	if b.Count() > k.maxThreads {
		return refuse("a block may have at most %d threads of it, by its registers or its .maxntid", k.maxThreads)
	}
	if l.Shared < 0 {
		return refuse("a negative size of dynamic shared memory")
	}
	if k.static+l.Shared > k.d.info.SharedOptIn {
		return refuse("%d bytes of static and %d of dynamic shared memory, a block may have %d", k.static, l.Shared, k.d.info.SharedOptIn)
	}
	return nil
}
