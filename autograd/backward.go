package autograd

import (
	"fmt"
	"slices"

	"voxgrad/device"
)

// Backward adds ∂loss/∂p to the gradient of every parameter p that wants one.
// loss is a scalar. It uses up the tape, but not loss, whose value may still be
// read until Close.
func (t *Tape) Backward(loss *Var) { t.BackwardScaled(loss, 1) }

// BackwardScaled is Backward of scale·loss: 1/n for one of n micro-batches whose
// mean is wanted.
func (t *Tape) BackwardScaled(loss *Var, scale float32) {
	if loss.Len() != 1 {
		panic(fmt.Sprintf("autograd: Backward needs a scalar, got %v", loss.Shape))
	}
	if !loss.wants {
		return
	}
	t.dev.Fill(t.into(loss).Tensor, scale)
	t.reverse()
}

// BackwardFrom is Backward of Σ y·dy: the reverse pass of an output that is not
// a loss, with dy as its gradient.
func (t *Tape) BackwardFrom(y *Var, dy device.Tensor) {
	if !y.wants {
		return
	}
	t.dev.Copy(t.into(y), dy)
	t.reverse()
}

func (t *Tape) reverse() {
	for i := len(t.steps) - 1; i >= 0; i-- {
		s := &t.steps[i]
		if s.reached() {
			dy, dx := t.gradients(s, i+1)
			s.reverse(s.saved, dy, dx)
			t.addRepeated(s, dx)
			t.traceGradients(s)
		}
		for _, y := range s.out {
			t.freeGrad(y)
		}
		for _, v := range s.keeps {
			v.saved--
			t.freeUnused(v)
		}
		*s = step{}
	}
	t.steps = nil
}

// reached reports whether the loss depends on the step.
func (s *step) reached() bool {
	return slices.ContainsFunc(s.out, func(y *Var) bool { return y.has })
}

// gradients are those of the results of a step, and where its arguments' go. number is the step's.
func (t *Tape) gradients(s *step, number int) (dy []device.Tensor, dx []device.Into) {
	for _, y := range s.out {
		if !y.has { // another result of the op was used, this one was not
			t.dev.Fill(t.into(y).Tensor, 0)
		}
		if y.relu && !y.front {
			t.dev.ReLUGrad(device.Into{Tensor: y.grad, Mode: device.Set}, y.grad, y.Tensor)
		}
		dy = append(dy, y.grad)
	}
	for i, x := range s.in {
		switch {
		case s.repeated(i):
			dx = append(dx, device.Into{Tensor: t.alloc(x.Shape, !x.leaf), Mode: device.Set})
		case i == 0 && s.inPlace && !slices.Contains(s.in[1:], x):
			dx = append(dx, t.handOver(x, s.out[0]))
		case s.masks(i) && x.first == number:
			g := t.into(x)
			g.Mask, x.front = x.Tensor, true
			dx = append(dx, g)
		default:
			dx = append(dx, t.into(x))
		}
	}
	return dy, dx
}

// masks reports whether the gradient of argument i may be made that in front of a ReLU: a step
// contributes once to it, for what is added behind a mask would pass it.
func (s *step) masks(i int) bool {
	x := s.in[i]
	return x != nil && x.relu && slices.Contains(s.masked, i) && !slices.Contains(s.in[i+1:], x)
}

// repeated reports whether argument i is an earlier one again. Its gradient needs
// a place of its own, for an op writes all of its gradients at once.
func (s *step) repeated(i int) bool {
	x := s.in[i]
	return x != nil && x.wants && slices.Contains(s.in[:i], x)
}

func (t *Tape) addRepeated(s *step, dx []device.Into) {
	for i, x := range s.in {
		if s.repeated(i) {
			t.dev.Copy(t.into(x), dx[i].Tensor)
			t.dev.Free(dx[i].Tensor)
		}
	}
}

// into is where the next contribution to v's gradient goes.
func (t *Tape) into(v *Var) device.Into {
	if v == nil || !v.wants {
		return device.Into{}
	}
	mode := device.Add
	if !v.has {
		mode, v.has = device.Set, true
		if v.grad.None() {
			v.grad = t.alloc(v.Shape, !v.leaf)
		}
	}
	return device.Into{Tensor: v.grad, Mode: mode}
}

// handOver is into(x) for ops whose dx may be dy: if it is the first
// contribution to x, the gradient of y changes in place and becomes x's.
func (t *Tape) handOver(x, y *Var) device.Into {
	if x == nil || x.leaf || !x.wants || !x.grad.None() || x.Shape != y.Shape {
		return t.into(x)
	}
	x.grad, x.has = y.grad, true
	y.grad, y.has = device.Tensor{}, false
	return device.Into{Tensor: x.grad, Mode: device.Set}
}

// freeGrad frees the gradient of a result.
func (t *Tape) freeGrad(v *Var) {
	if !v.grad.None() {
		t.dev.Free(v.grad)
	}
	v.grad, v.has = device.Tensor{}, false
}
