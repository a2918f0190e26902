//go:build cuda && cgo && linux && amd64

package gpu

import (
	"fmt"
	"unsafe"

	"voxgrad/cuda/driver"
)

// Launch checks everything that can be checked and queues the kernel. What the
// driver then still refuses is an error of the device, reported by a later call.
func (d *Device) Launch(kernelOf driver.Kernel, l driver.Launch, args ...any) error {
	k, ok := kernelOf.(*kernel)
	if !ok || k.d != d {
		return &driver.ArgumentError{Msg: fmt.Sprintf("GPU %d: Launch of a kernel that another device loaded", d.index)}
	}
	slots, err := k.entry.Slots(&d.info, l, args)
	if err != nil {
		return fmt.Errorf("GPU %d: %w", d.index, err)
	}
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
