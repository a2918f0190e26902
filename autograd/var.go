package autograd

import (
	"fmt"

	"voxgrad/device"
)

// Var is a value in a computation: a parameter, an input, or an op's result.
type Var struct {
	device.Tensor

	// Name is a parameter's name, for messages; "" for results.
	Name string

	grad  device.Tensor
	has   bool // grad holds at least one contribution
	wants bool // a gradient is wanted
	leaf  bool // not the tape's memory
	uses  int  // results: ops still to come that may read the value
	saved int  // results: recorded reverse steps that will read it
	first int  // results: number of the first recorded step that reads it, whose contribution to the gradient is the last
	relu  bool // results: what a ReLU left
	front bool // grad is the gradient in front of the ReLU

	op, user string // results: what made it, and what has used it up
}

// Input is a leaf that wants no gradient: an image, a target, a running mean.
func Input(x device.Tensor) *Var { return &Var{Tensor: x, leaf: true} }

// Parameter is a leaf that wants a gradient.
func Parameter(name string, x device.Tensor) *Var {
	return &Var{Tensor: x, Name: name, leaf: true, wants: true}
}

// WantsGrad reports whether a gradient is computed for v.
func (v *Var) WantsGrad() bool { return v.wants }

// SetWantsGrad switches a leaf's gradient on or off (a frozen parameter).
func (v *Var) SetWantsGrad(on bool) {
	if !v.leaf {
		panic("autograd: SetWantsGrad on the result of an op")
	}
	v.wants = on
}

// Grad is the gradient collected since ClearGrad; none if there has been no
// contribution. A result's gradient is gone once its reverse step has run.
func (v *Var) Grad() device.Tensor {
	if !v.has {
		return device.Tensor{}
	}
	return v.grad
}

// ClearGrad forgets the gradient: the next contribution overwrites it. The
// memory is kept for the next step.
func (v *Var) ClearGrad() { v.has = false }

// FreeGrad frees a leaf's gradient.
func (v *Var) FreeGrad(dev device.Backend) {
	if !v.grad.None() {
		dev.Free(v.grad)
	}
	v.grad, v.has = device.Tensor{}, false
}

func (v *Var) String() string {
	if v.Name != "" {
		return fmt.Sprintf("%s %v", v.Name, v.Shape)
	}
	return v.Shape.String()
}
