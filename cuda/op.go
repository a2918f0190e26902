package cuda

import (
	"fmt"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// op is one call of an operation, from the check of its arguments to its last
// launch. It holds the backend's lock, and has the operations as methods.
type op struct {
	b      *Backend
	name   string
	spaces []driver.Ptr
	packs  map[packing]driver.Ptr // weights that were packed

	inputs   map[driver.Ptr]device.Shape // tensors that are only read
	operands map[driver.Ptr]driver.Ptr   // those of them that were rounded for tensor cores
}

// run is the backend's device.Ops: every operation goes through it.
func (b *Backend) run(c *device.Call) {
	if c.Idle() {
		return
	}
	if o := b.begin(c.Op); o != nil {
		defer o.end()
		c.Check("cuda", b.own)
		o.reads(c)
		o.do(c)
	}
}

// begin starts a call. It is nil if an earlier one failed: there is nothing to do then.
func (b *Backend) begin(name string) *op {
	b.mu.Lock()
	if b.err != nil {
		b.mu.Unlock()
		return nil
	}
	return &op{b: b, name: name}
}

// end frees the workspaces; launches that still use them come before
// any later use.
func (o *op) end() {
	o.giveBack()
	o.b.mu.Unlock()
}

func (o *op) giveBack() {
	for _, p := range o.spaces {
		o.b.pool.put(p)
	}
	o.spaces, o.packs = nil, nil
	clear(o.operands)
}

// must panics with the op's name unless ok.
func (o *op) must(ok bool, format string, args ...any) {
	if !ok {
		panic("cuda: " + o.name + ": " + fmt.Sprintf(format, args...))
	}
}

// own reports what is wrong with a tensor's memory.
func (b *Backend) own(t device.Tensor) string {
	m, ok := t.Mem.(*buffer)
	switch {
	case !ok || m.owner != b:
		return "is not from this backend"
	case m.freed:
		return "was freed before"
	case m.n != t.Len():
		return fmt.Sprintf("is in memory for %d elements", m.n)
	}
	return ""
}

// ptr is the address of a tensor, null where it is absent. The check comes before.
func ptr(t device.Tensor) driver.Ptr {
	if t.None() {
		return 0
	}
	return t.Mem.(*buffer).ptr
}

// into is the address of a gradient, null if it is not wanted.
func into(g device.Into) driver.Ptr {
	if g.Mode == device.Skip {
		return 0
	}
	return ptr(g.Tensor)
}

// workspace is device memory for n values of 4 bytes until the end of the call.
// What it holds is undefined. Null after a failure, when launches do nothing.
func (o *op) workspace(n int) driver.Ptr {
	if o.b.err != nil {
		return 0
	}
	p, err := o.b.pool.get(4 * int64(n))
	if err != nil {
		o.noMemory("a workspace", err)
		return 0
	}
	o.spaces = append(o.spaces, p)
	return p
}
