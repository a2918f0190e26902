package cuda

import (
	"fmt"

	"voxgrad/cuda/driver"
	"voxgrad/device"
)

// op is one call of a Backend method, from the check of its arguments to its last
// launch. It holds the backend's lock.
type op struct {
	b      *Backend
	name   string
	spaces []driver.Ptr
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
	for _, p := range o.spaces {
		o.b.pool.put(p)
	}
	o.b.mu.Unlock()
}

// want panics with the op's name unless ok.
func (o *op) want(ok bool, format string, args ...any) {
	if !ok {
		panic("cuda: " + o.name + ": " + fmt.Sprintf(format, args...))
	}
}

// ptr is the address of a tensor that must be there.
func (o *op) ptr(name string, t device.Tensor) driver.Ptr {
	return o.buffer(name, t).ptr
}

func (o *op) buffer(name string, t device.Tensor) *buffer {
	o.want(!t.None(), "%s is absent", name)
	m, ok := t.Mem.(*buffer)
	o.want(ok && m.owner == o.b, "%s %v is not from this backend", name, t.Shape)
	o.want(!m.freed, "%s %v was freed before", name, t.Shape)
	o.want(m.n == t.Len(), "%s %v in memory for %d elements", name, t.Shape, m.n)
	return m
}

// opt is the address of a tensor that may be absent: null then.
func (o *op) opt(name string, t device.Tensor) driver.Ptr {
	if t.None() {
		return 0
	}
	return o.ptr(name, t)
}

// into is the address of a gradient: null if it is not wanted.
func (o *op) into(name string, g device.Into) driver.Ptr {
	if g.Mode == device.Skip {
		return 0
	}
	return o.ptr(name, g.Tensor)
}

// fits reports whether an Into is skipped or has shape s.
func fits(g device.Into, s device.Shape) bool { return g.Mode == device.Skip || g.Shape == s }

// apart panics if the output shares memory with one of the inputs.
func (o *op) apart(out device.Tensor, ins ...device.Tensor) {
	for _, in := range ins {
		o.want(out.None() || out.Mem != in.Mem, "an output %v shares its memory with %v", out.Shape, in.Shape)
	}
}

// apartInto is apart for a gradient, which may take the place of same if it is Set.
func (o *op) apartInto(g device.Into, same device.Tensor, others ...device.Tensor) {
	if g.Mode == device.Skip {
		return
	}
	if g.Mode != device.Set {
		o.apart(g.Tensor, same)
	}
	o.apart(g.Tensor, others...)
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
