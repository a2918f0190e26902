package emu

import (
	"errors"
	"fmt"
	"slices"

	"voxgrad/cuda/driver"
)

// graph is calls that were captured. On hardware it keeps its arguments by value, too.
type graph struct {
	d     *Device
	calls []driver.Call
	freed bool
}

// Capture checks the calls as Launch does and keeps them.
func (d *Device) Capture(calls []driver.Call) (driver.Graph, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.usable(); err != nil {
		return nil, err
	}
	g := &graph{d: d}
	for _, c := range calls {
		if c.Kernel != nil {
			k, ok := c.Kernel.(*kernel)
			if !ok || k.mod.d != d {
				return nil, &driver.ArgumentError{Msg: "emulator: Capture of a kernel that another device loaded"}
			}
			if err := k.Check(c.Launch, c.Args...); err != nil {
				return nil, err
			}
		}
		c.Args = slices.Clone(c.Args)
		g.calls = append(g.calls, c)
	}
	return g, nil
}

// Replay makes the calls.
func (g *graph) Replay() error {
	if g.freed {
		return errors.New("emulator: Replay of a graph that was freed")
	}
	for i, c := range g.calls {
		var err error
		if c.Kernel == nil {
			err = g.d.Fill32(c.Dst, c.Word, c.N)
		} else {
			err = g.d.Launch(c.Kernel, c.Launch, c.Args...)
		}
		if err != nil {
			return &driver.CallError{Index: i, Err: err}
		}
	}
	return nil
}

// Free forgets the calls.
func (g *graph) Free() error {
	if g.freed {
		return errors.New("emulator: a graph is freed twice")
	}
	g.freed, g.calls = true, nil
	return nil
}

// Check is what Launch refuses.
func (k *kernel) Check(l driver.Launch, args ...any) error {
	if _, err := k.entry.Slots(k.mod.d.limits(), l, args); err != nil {
		return fmt.Errorf("emulator: %w", err)
	}
	return nil
}

// limits are those of a block.
func (d *Device) limits() *driver.Info {
	return &driver.Info{SharedPerCTA: d.opt.shared, SharedOptIn: d.opt.sharedIn}
}

type fetched []byte

func (f fetched) Wait() ([]byte, error) { return f, nil }

// Fetch copies at once: all earlier work is done.
func (d *Device) Fetch(from []driver.Span) (driver.Fetched, error) {
	var all fetched
	for _, s := range from {
		part := make([]byte, s.Bytes)
		if err := d.ToHost(part, s.Ptr); err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	return all, nil
}
