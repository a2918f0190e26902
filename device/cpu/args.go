package cpu

import (
	"fmt"

	"voxgrad/device"
)

// want panics with the op's name unless ok.
func want(op string, ok bool, format string, args ...any) {
	if !ok {
		panic("cpu: " + op + ": " + fmt.Sprintf(format, args...))
	}
}

// get is the memory of a tensor that must be there.
func (b *Backend) get(op, name string, t device.Tensor) []float32 {
	want(op, !t.None(), "%s is absent", name)
	m, ok := t.Mem.(*buffer)
	want(op, ok && m.owner == b, "%s %v is not from this backend", name, t.Shape)
	want(op, !m.freed.Load(), "%s %v was freed before", name, t.Shape)
	want(op, len(m.data) == t.Len(), "%s %v in memory for %d elements", name, t.Shape, len(m.data))
	return m.data
}

// opt is the memory of a tensor that may be absent: nil then.
func (b *Backend) opt(op, name string, t device.Tensor) []float32 {
	if t.None() {
		return nil
	}
	return b.get(op, name, t)
}

// into is the memory of a gradient: nil if it is not wanted.
func (b *Backend) into(op, name string, g device.Into) []float32 {
	if g.Mode == device.Skip {
		return nil
	}
	return b.get(op, name, g.Tensor)
}

// fits tells whether an Into is skipped or has shape s.
func fits(g device.Into, s device.Shape) bool { return g.Mode == device.Skip || g.Shape == s }

// apart panics if the output shares memory with one of the inputs.
func apart(op string, out device.Tensor, ins ...device.Tensor) {
	for _, in := range ins {
		want(op, out.None() || out.Mem != in.Mem, "an output %v shares its memory with %v", out.Shape, in.Shape)
	}
}

// apartInto is apart for a gradient, which may take the place of same if it is Set.
func apartInto(op string, g device.Into, same device.Tensor, others ...device.Tensor) {
	if g.Mode == device.Skip {
		return
	}
	if g.Mode != device.Set {
		apart(op, g.Tensor, same)
	}
	apart(op, g.Tensor, others...)
}
