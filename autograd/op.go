package autograd

import (
	"fmt"

	"voxgrad/device"
)

// Op is a differentiable operation on its arguments, as torch.autograd.Function
// is in PyTorch: how its results are computed, and how a gradient of theirs becomes
// one of the arguments. Tape.Apply runs it. The operations of this package are Ops,
// and any other package can make more: a new operation is a function that returns
// Apply(Op{…}).
type Op struct {
	Name string // for messages and Trace: "conv"

	// In are the arguments; nil stands for an optional one that is absent.
	In []*Var

	// Out are the shapes of the results that carry a gradient, Side of those that do
	// not: statistics that Reverse reads, sums that a caller looks at.
	Out, Side []device.Shape

	// Forward writes every element of out: the results of Out, then those of Side.
	// in are the arguments' tensors, the zero Tensor for an absent one. It must not
	// change them.
	Forward func(out, in []device.Tensor)

	// Reverse is the vector-Jacobian product. dy are the gradients of the results of
	// Out; Reverse may overwrite them. dx are the places for the gradients of the
	// arguments, each with its mode: device.Skip where none is wanted, Set to
	// overwrite, Add to add to what is there; it must write every one that is wanted.
	// s has the values that SaveIn and SaveOut name. An Op without Reverse may only be
	// applied where no gradient is wanted.
	Reverse func(s Saved, dy []device.Tensor, dx []device.Into)

	// SaveIn and SaveOut are what Reverse reads: indices into In, and into Out
	// followed by Side. What is saved stays in memory until the reverse step has run;
	// what is not is given back as soon as no later operation needs it.
	SaveIn, SaveOut []int

	// ReLU reports that out[0], which SaveOut must name, is what a ReLU left. Reverse's dy[0] is
	// then the gradient in front of it, 0 where out[0] is not positive.
	ReLU bool

	// Masked are the arguments, indices into In, for whose gradients Reverse heeds the mask of
	// a device.Into. Where such an argument is what a ReLU left, no pass over its gradient is needed.
	Masked []int

	// InPlace reports that Forward allows out[0] to be in[0]. The tape makes use of it
	// where nobody else reads in[0].
	InPlace bool

	// GradInPlace reports that Reverse allows dx[0] to be dy[0], with mode Set.
	GradInPlace bool
}

// Saved are the values that an Op has kept for its reverse step, in the order of
// Forward's arguments. Those that it has not kept are the zero Tensor.
type Saved struct{ In, Out []device.Tensor }

// Apply runs op, uses its arguments up (see Hold), and returns its results: Out, then
// Side. Its reverse step is recorded if the tape records and an argument wants a
// gradient. A caller that does not hand a side result on must Release it.
func (t *Tape) Apply(op Op) []*Var {
	t.check(&op)
	record := t.wants(op.In)
	if record && op.Reverse == nil {
		panic(fmt.Sprintf("autograd: %s has no reverse step, but a gradient is wanted of an argument", op.Name))
	}
	in := tensors(op.In)
	var out []*Var
	for i, s := range append(op.Out[:len(op.Out):len(op.Out)], op.Side...) {
		if i == 0 && op.InPlace && t.mayTakeOver(&op, record) {
			out = append(out, t.takeOver(op.In[0]))
		} else {
			out = append(out, t.own(t.alloc(s, i < len(op.Out))))
		}
		out[i].op = op.Name
	}
	op.Forward(tensors(out), in)

	at := t.layer()
	for i := range op.Out {
		t.traceOutput(op.Name, at, out[i])
	}
	if record {
		s := step{op: op.Name, at: at, in: op.In, out: out[:len(op.Out)], reverse: op.Reverse, inPlace: op.GradInPlace, masked: op.Masked,
			saved: Saved{In: make([]device.Tensor, len(in)), Out: make([]device.Tensor, len(out))}}
		s.save(op.In, s.saved.In, op.SaveIn)
		s.save(out, s.saved.Out, op.SaveOut)
		for _, y := range s.out {
			y.wants = true
		}
		s.out[0].relu = op.ReLU
		t.steps = append(t.steps, s)
		for _, v := range op.In {
			if v != nil && v.first == 0 {
				v.first = len(t.steps)
			}
		}
	}
	for _, v := range op.In {
		if v != nil && !v.leaf && v.Mem != nil { // no memory: taken over in place
			v.user = op.Name
			t.Release(v)
		}
	}
	return out
}

// check panics unless every argument may be used as often as op does.
func (t *Tape) check(op *Op) {
	for i, v := range op.In {
		if v == nil || v.leaf {
			continue
		}
		times := 1
		for _, before := range op.In[:i] {
			if before == v {
				times++
			}
		}
		t.alive(v, times)
	}
}

// wants reports whether an op on these arguments must be recorded.
func (t *Tape) wants(in []*Var) bool {
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

// mayTakeOver reports whether op's first result may have the memory of its first
// argument: nobody else will read that one.
func (t *Tape) mayTakeOver(op *Op, record bool) bool {
	x := op.In[0]
	if x.leaf || x.uses != 1 || x.saved != 0 || x.Shape != op.Out[0] {
		return false
	}
	if record {
		for _, i := range op.SaveIn {
			if op.In[i] == x {
				return false
			}
		}
	}
	return true
}

// takeOver is a result in the memory of x, which is used up.
func (t *Tape) takeOver(x *Var) *Var {
	y := t.own(x.Tensor)
	x.Mem, x.uses = nil, 0
	return y
}

// step is one recorded op.
type step struct {
	op, at  string
	in, out []*Var
	keeps   []*Var // results that saved has
	saved   Saved
	reverse func(s Saved, dy []device.Tensor, dx []device.Into)
	inPlace bool  // dx[0] may be dy[0]
	masked  []int // see Op
}

// save keeps the chosen values in to.
func (s *step) save(from []*Var, to []device.Tensor, chosen []int) {
	for _, i := range chosen {
		v := from[i]
		to[i] = tensor(v)
		if v != nil && !v.leaf {
			v.saved++
			s.keeps = append(s.keeps, v)
		}
	}
}

// when is the index i if the condition holds: of a value that is read only then.
func when(condition bool, i int) []int {
	if condition {
		return []int{i}
	}
	return nil
}

func tensors(vars []*Var) []device.Tensor {
	out := make([]device.Tensor, len(vars))
	for i, v := range vars {
		out[i] = tensor(v)
	}
	return out
}

// tensor is v's tensor, or none for an optional argument that is absent.
func tensor(v *Var) device.Tensor {
	if v == nil {
		return device.Tensor{}
	}
	return v.Tensor
}
