package ref

import (
	"fmt"
	"math"

	"golang.org/x/exp/constraints"

	"voxgrad/device"
)

// want panics with the op's name unless ok.
func want(op string, ok bool, format string, args ...any) {
	if !ok {
		panic("ref: " + op + ": " + fmt.Sprintf(format, args...))
	}
}

// apart panics if the output shares memory with one of the inputs.
func apart(op string, out device.Tensor, ins ...device.Tensor) {
	for _, in := range ins {
		want(op, out.None() || out.Mem != in.Mem, "an output %v shares its memory with %v", out.Shape, in.Shape)
	}
}

// get is the memory of a tensor that must be there.
func (b *Backend[F]) get(op, name string, t device.Tensor) []F {
	want(op, !t.None(), "%s is absent", name)
	m, ok := t.Mem.(*buffer[F])
	want(op, ok && m.owner == b, "%s %v is not from this backend", name, t.Shape)
	want(op, !m.freed, "%s %v was freed before", name, t.Shape)
	want(op, len(m.data) == t.Len(), "%s %v in memory for %d elements", name, t.Shape, len(m.data))
	return m.data
}

// opt is the memory of a tensor that may be absent: nil then.
func (b *Backend[F]) opt(op, name string, t device.Tensor) []F {
	if t.None() {
		return nil
	}
	return b.get(op, name, t)
}

// fits tells whether an Into is skipped or has shape s.
func fits(g device.Into, s device.Shape) bool { return g.Mode == device.Skip || g.Shape == s }

// put stores a gradient as its mode says.
func (b *Backend[F]) put(op, name string, g device.Into, v []float64) {
	if g.Mode == device.Skip {
		return
	}
	o := b.get(op, name, g.Tensor)
	for i, v := range v {
		if g.Mode == device.Add {
			v += float64(o[i])
		}
		o[i] = F(v)
	}
}

// mayAlias is apart for a gradient that may take the place of same if it is Set.
func mayAlias(op string, g device.Into, same device.Tensor, others ...device.Tensor) {
	if g.Mode == device.Skip {
		return
	}
	if g.Mode != device.Set {
		apart(op, g.Tensor, same)
	}
	apart(op, g.Tensor, others...)
}

func poison[F constraints.Float](x []F) {
	for i := range x {
		x[i] = F(math.NaN())
	}
}
