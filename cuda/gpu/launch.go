//go:build cuda && cgo && linux && amd64

package gpu

import (
	"fmt"
	"unsafe"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/gpu/internal/cudrv" // before cu: its linker flags must come first

	"gorgonia.org/cu"
)

// slotsOf checks everything that can be checked.
func (d *Device) slotsOf(kernelOf driver.Kernel, l driver.Launch, args []any) (*kernel, []uint64, error) {
	k, ok := kernelOf.(*kernel)
	if !ok || k.d != d {
		return nil, nil, &driver.ArgumentError{Msg: fmt.Sprintf("GPU %d: Launch of a kernel that another device loaded", d.index)}
	}
	slots, err := k.entry.Slots(&d.info, l, args)
	if err != nil {
		return nil, nil, fmt.Errorf("GPU %d: %w", d.index, err)
	}
	return k, slots, nil
}

// Check is what Launch refuses.
func (k *kernel) Check(l driver.Launch, args ...any) error {
	_, _, err := k.d.slotsOf(k, l, args)
	return err
}

// Launch checks everything that can be checked and queues the kernel. What the
// driver then still refuses is an error of the device, reported by a later call.
func (d *Device) Launch(kernelOf driver.Kernel, l driver.Launch, args ...any) error {
	k, slots, err := d.slotsOf(kernelOf, l, args)
	if err != nil {
		return err
	}
	return d.send(job{name: "Launch", run: func() error { return k.launch(l, slots) }})
}

// launch is of the thread.
func (k *kernel) launch(l driver.Launch, slots []uint64) error {
	// cu reads 8 bytes behind each pointer, whatever the parameter's size.
	params := make([]unsafe.Pointer, len(slots))
	for i := range slots {
		params[i] = unsafe.Pointer(&slots[i])
	}
	g, b := l.Grid, l.Block
	err := k.optIn(l.Shared)
	if err == nil {
		err = k.handle.Launch(g.X, g.Y, g.Z, b.X, b.Y, b.Z, l.Shared, k.d.stream, params)
	}
	if err != nil {
		return fmt.Errorf("kernel %s (%v): %w", k.Name(), l, explain(err))
	}
	return nil
}

// graph is captured work. Its handle is the thread's.
type graph struct {
	d    *Device
	exec cudrv.Handle
}

// Capture queues the calls in the stream while it keeps what is queued, and makes a graph of it.
func (d *Device) Capture(calls []driver.Call) (driver.Graph, error) {
	type checked struct {
		k     *kernel
		slots []uint64
	}
	all := make([]checked, len(calls))
	for i, c := range calls {
		if c.Kernel == nil {
			if err := fillable(c.Dst, c.N); err != nil {
				return nil, d.failure("Capture", err)
			}
			continue
		}
		var err error
		if all[i].k, all[i].slots, err = d.slotsOf(c.Kernel, c.Launch, c.Args); err != nil {
			return nil, err
		}
	}
	g := &graph{d: d}
	err := d.call("Capture", func() error {
		stream := d.streamHandle()
		if err := cudrv.BeginCapture(stream, cudrv.ThreadLocal); err != nil {
			return err
		}
		var first error
		for i, c := range calls {
			switch k := all[i].k; {
			case k != nil:
				first = k.launch(c.Launch, all[i].slots)
			case c.N > 0:
				first = cu.MemsetD32Async(cu.DevicePtr(c.Dst), uint(c.Word), c.N, d.stream)
			}
			if first != nil {
				break
			}
		}
		exec, err := cudrv.EndCapture(stream) // also after a failure, which would leave the stream capturing
		if first != nil {
			if err == nil {
				_ = cudrv.DestroyExec(exec) // the failure before it is what counts
			}
			return first
		}
		g.exec = exec
		return err
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// streamHandle is the CUstream, which cu does not export.
func (d *Device) streamHandle() cudrv.Handle { return *(*cudrv.Handle)(unsafe.Pointer(&d.stream)) }

// cu.Stream must hold one pointer for streamHandle.
var _ = [1]struct{}{}[unsafe.Sizeof(cu.Stream{})-unsafe.Sizeof(uintptr(0))]

// Replay queues the graph. What fails in it comes out of a later call.
func (g *graph) Replay() error {
	return g.d.send(job{name: "Replay", run: func() error { return cudrv.LaunchGraph(g.exec, g.d.streamHandle()) }})
}

// Free destroys the graph.
func (g *graph) Free() error {
	return g.d.call("Free of a graph", func() error { return cudrv.DestroyExec(g.exec) })
}
