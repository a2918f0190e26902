package autograd

import (
	"fmt"

	"voxgrad/device"
)

// Tape runs ops on a device and, unless it is made for inference, remembers how
// to reverse them. It serves one forward pass and at most one reverse pass, and
// is closed after that. Not for concurrent use.
type Tape struct {
	dev    device.Backend
	steps  []step
	owned  []*Var // results not yet freed, and some that are
	record bool

	key   uint64
	draws map[string]int

	at, last string // layer of the next op; of the last one that had a name
	trace    *tracer
}

// step is one recorded op.
type step struct {
	op, at string
	y      *Var
	in     []*Var
	saved  []*Var // values that reverse reads
	back   func(dy device.Tensor)
}

// New is a tape that records. key feeds everything random in this forward pass
// (dropout): derive it from the seed and the step number, and a resumed run draws
// what the uninterrupted one would have drawn.
func New(dev device.Backend, key uint64) *Tape {
	return &Tape{dev: dev, record: true, key: key}
}

// NewInference is a tape that records nothing and frees every result as soon as
// the op that uses it up has run.
func NewInference(dev device.Backend) *Tape { return &Tape{dev: dev} }

// Device is where the tape computes.
func (t *Tape) Device() device.Backend { return t.dev }

// Recording is false for inference.
func (t *Tape) Recording() bool { return t.record }

// Key is the key given to New.
func (t *Tape) Key() uint64 { return t.key }

// Draw counts the random ops of one layer within this pass, from 0: a layer that
// runs twice (an encoder shared by two time points) draws twice.
func (t *Tape) Draw(layer string) int {
	if t.draws == nil {
		t.draws = map[string]int{}
	}
	n := t.draws[layer]
	t.draws[layer] = n + 1
	return n
}

// At names the layer that the next op belongs to, for messages.
func (t *Tape) At(layer string) *Tape {
	t.at = layer
	return t
}

// Hold lets one more op use the result x, and returns x.
func (t *Tape) Hold(x *Var) *Var {
	if !x.leaf {
		t.alive(x)
		x.uses++
	}
	return x
}

// Release says that x will not be passed to another op. It undoes one Hold, or
// the one use that every result starts with.
func (t *Tape) Release(x *Var) {
	if x == nil || x.leaf {
		return
	}
	t.alive(x)
	x.uses--
	t.freeUnused(x)
}

func (t *Tape) freeUnused(x *Var) {
	if x.uses == 0 && x.saved == 0 {
		t.dev.Free(x.Tensor)
		x.Mem = nil
	}
}

// Value copies x to the host. It does not use x up.
func (t *Tape) Value(x *Var) []float32 {
	out := make([]float32, x.Len())
	t.dev.Download(out, x.Tensor)
	return out
}

// Close frees everything that the tape still owns. Parameters keep their
// gradients.
func (t *Tape) Close() {
	for _, v := range t.owned {
		if v.Mem != nil {
			t.dev.Free(v.Tensor)
			v.Mem = nil
		}
		t.freeGrad(v)
	}
	t.owned, t.steps = nil, nil
}

// result is a new, unwritten result of shape s.
func (t *Tape) result(s device.Shape) *Var { return t.own(t.dev.Alloc(s)) }

func (t *Tape) own(x device.Tensor) *Var {
	v := &Var{Tensor: x, uses: 1}
	t.owned = append(t.owned, v)
	return v
}

// inPlace is a result that takes over x's memory if nobody else will read it,
// and a new one of the same shape otherwise. Only for ops that will not be
// recorded, on devices' ops that allow y to be x.
func (t *Tape) inPlace(x *Var) *Var {
	if x.leaf || x.uses != 1 || x.saved != 0 {
		return t.result(x.Shape)
	}
	y := t.own(x.Tensor)
	x.Mem, x.uses = nil, 0
	return y
}

// alive catches the use of a result that has been used up.
func (t *Tape) alive(x *Var) {
	if x.uses < 1 {
		panic(fmt.Sprintf("autograd: a result of shape %v was used up by an earlier op: Hold it before passing it to two", x.Shape))
	}
}

// check panics unless every argument may still be used.
func (t *Tape) check(in ...*Var) {
	for _, v := range in {
		if v != nil && !v.leaf {
			t.alive(v)
		}
	}
}

// wants reports whether an op on these arguments must be recorded.
func (t *Tape) wants(in ...*Var) bool {
	if !t.record {
		return false
	}
	for _, v := range in {
		if v != nil && v.wants {
			return true
		}
	}
	return false
}

// done ends an op: it remembers the reverse step if some argument wants a
// gradient, keeping the values in saved for it, and uses the arguments up.
// saved may hold nils. The reverse step gets dy, the gradient of y, and may overwrite it.
func (t *Tape) done(op string, y *Var, in, saved []*Var, back func(dy device.Tensor)) *Var {
	at := t.at
	if at != "" {
		t.last = at
	} else if t.last != "" {
		at = "after " + t.last
	}
	t.at = ""
	t.traceOutput(op, at, y)
	if t.wants(in...) {
		y.wants = true
		for _, v := range saved {
			if v != nil && !v.leaf {
				v.saved++
			}
		}
		t.steps = append(t.steps, step{op: op, at: at, y: y, in: in, saved: saved, back: back})
	}
	for _, v := range in {
		if v != nil && !v.leaf && v.Mem != nil { // no memory: taken over in place
			t.Release(v)
		}
	}
	return y
}
