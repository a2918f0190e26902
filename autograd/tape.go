package autograd

import (
	"fmt"

	"voxgrad/device"
	"voxgrad/internal/rng"
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

// RandomKey is the key of the random numbers that an op draws in one layer: a
// function of the tape's key, of both names, and of how often the layer has asked
// on this tape, so that a layer that runs twice (an encoder shared by two time
// points) draws twice. It depends on nothing else: adding a random layer changes no
// other's numbers.
func (t *Tape) RandomKey(op, layer string) uint64 {
	if t.draws == nil {
		t.draws = map[string]int{}
	}
	n := t.draws[layer]
	t.draws[layer] = n + 1
	return rng.Key(t.key, op, layer, n)
}

// At names the layer that the next op belongs to, for messages.
func (t *Tape) At(layer string) *Tape {
	t.at = layer
	return t
}

// Hold lets one more op use the result x, and returns x.
func (t *Tape) Hold(x *Var) *Var {
	if !x.leaf {
		t.alive(x, 1)
		x.uses++
	}
	return x
}

// Release promises that x will not be passed to another op. It undoes one Hold, or
// the one use that every result starts with.
func (t *Tape) Release(x *Var) {
	if x == nil || x.leaf {
		return
	}
	t.alive(x, 1)
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

// Fetch begins to copy results, and other tensors behind them, to the host; see device.Allocator. It does
// not use the results up.
func (t *Tape) Fetch(xs []*Var, more ...device.Tensor) device.Fetched {
	ts := make([]device.Tensor, 0, len(xs)+len(more))
	for _, x := range xs {
		ts = append(ts, x.Tensor)
	}
	return t.dev.Fetch(append(ts, more...)...)
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

// alloc is a tensor for a result or a gradient: activations are those that carry a gradient from op to op.
func (t *Tape) alloc(s device.Shape, activation bool) device.Tensor {
	if activation {
		return device.AllocActivation(t.dev, s)
	}
	return t.dev.Alloc(s)
}

func (t *Tape) own(x device.Tensor) *Var {
	v := &Var{Tensor: x, uses: 1}
	t.owned = append(t.owned, v)
	return v
}

// alive catches the use of a result that has been used up.
func (t *Tape) alive(x *Var, times int) {
	switch {
	case x.uses >= times:
	case x.uses > 0:
		panic(fmt.Sprintf("autograd: a result of %s, of shape %v, is passed %d times: Hold it once for each time but the first", x.op, x.Shape, times))
	case x.user == "":
		panic(fmt.Sprintf("autograd: a result of %s, of shape %v, has been released", x.op, x.Shape))
	default:
		panic(fmt.Sprintf("autograd: a result of %s, of shape %v, was used up by %s: Hold it before passing it to two", x.op, x.Shape, x.user))
	}
}

// layer is the layer that the op now run belongs to: the one named by At, "after"
// the last one named, or "".
func (t *Tape) layer() string {
	at := t.at
	if at != "" {
		t.last = at
	} else if t.last != "" {
		at = "after " + t.last
	}
	t.at = ""
	return at
}
