package device

import (
	"fmt"
	"math"
	"strings"
)

// Ops has every operation: each of its methods hands a description of the call to
// the function, and does nothing else. What treats all operations alike is such a
// function. A backend embeds Ops; its function checks the call (Call.Check) and runs
// it (Call.Run) on what computes. Package meta counts calls, and devicetest puts
// faults between a call and the oracle.
//
// An operation's method stands below its definition, with the rule of its shapes.
type Ops func(c *Call)

// Call is one call of an operation.
type Call struct {
	Op   string // the method
	Args []Arg  // its tensors, in the method's order

	// Flops are the multiplications and additions of a convolution or of AlongAxis by
	// their definition, 2 for each term, at borders as inside, of zeros too; 0 for
	// operations that are bound by memory.
	Flops int64

	// Bytes are the least that must be moved where that is not, as usual, each tensor
	// once and a gradient that is added to twice; 0 elsewhere.
	Bytes int64

	// Run makes the call on to, with what the Args point to by now. For an operation on images
	// to must have ImagingOps.
	Run func(to NetworkOps)

	rule func(c *Call) // refuses wrong shapes and numbers
	pkg  string        // of the messages
}

// Role is what an operation does with a tensor.
type Role uint8

const (
	Input    Role = iota
	Output        // overwritten
	State         // read and changed
	Gradient      // an Into
)

// Arg is one tensor of a Call.
type Arg struct {
	Name   string
	Role   Role
	Tensor *Tensor
	Into   *Into // of a Gradient, else nil; Tensor is its own

	slot     int       // of Adam's, from 1; 0 elsewhere
	masked   bool      // a gradient that may have a Mask
	inPlace  []*Tensor // inputs whose memory an output may have, a gradient with mode Set
	optional bool
}

func in(name string, t *Tensor) Arg    { return Arg{Name: name, Tensor: t} }
func state(name string, t *Tensor) Arg { return Arg{Name: name, Role: State, Tensor: t} }

func out(name string, t *Tensor, inPlace ...*Tensor) Arg {
	return Arg{Name: name, Role: Output, Tensor: t, inPlace: inPlace}
}

func grad(name string, g *Into, inPlace ...*Tensor) Arg {
	return Arg{Name: name, Role: Gradient, Tensor: &g.Tensor, Into: g, inPlace: inPlace}
}

// masked is a gradient that may have a mask, and the mask.
func masked(a Arg) (g, mask Arg) {
	a.masked = true
	return a, optional(in(a.Name+".mask", &a.Into.Mask))
}

// optional is a that may be absent.
func optional(a Arg) Arg { a.optional = true; return a }

func (a Arg) String() string {
	if a.slot > 0 {
		return fmt.Sprintf("%s of slot %d", a.Name, a.slot-1)
	}
	return a.Name
}

// Skipped reports whether a is a gradient that is not wanted.
func (a Arg) Skipped() bool { return a.Into != nil && a.Into.Mode == Skip }

// Idle reports whether the call has nothing to do: it has gradients and none is wanted.
func (c *Call) Idle() bool {
	idle := false
	for _, a := range c.Args {
		switch {
		case a.Role == Output || a.Role == State || a.Into != nil && !a.Skipped():
			return false
		case a.Into != nil:
			idle = true
		}
	}
	return idle
}

// RunAndMask is Run on what leaves masks of gradients out: ReLUGrad applies them in
// passes of their own.
func (c *Call) RunAndMask(to NetworkOps) {
	var without []Into
	for _, a := range c.Args {
		if !a.Skipped() && a.Into != nil && !a.Into.Mask.None() {
			without = append(without, *a.Into)
			a.Into.Mask = Tensor{}
		}
	}
	c.Run(to)
	for _, g := range without {
		to.ReLUGrad(Into{Tensor: g.Tensor, Mode: Set}, g.Tensor, g.Mask)
	}
}

// Check panics unless the call is as the operation's comment states: with tensors
// where they are not optional, of the shapes and in memory of their own, modes and
// numbers in range. pkg is the name of the backend's package, with which the message
// begins; own reports what is wrong with the memory of a tensor, "is not from this
// backend", and nothing ("") if it is right.
func (c *Call) Check(pkg string, own func(t Tensor) string) {
	if c.Idle() {
		return
	}
	c.pkg = pkg
	for _, a := range c.Args {
		if a.Into != nil && a.Into.Mode > Add {
			c.refuse("%s: there is no %v", a.Name, a.Into.Mode)
		}
		if a.Into != nil && !a.Into.Mask.None() {
			c.need(a.masked, "%s takes no mask", a.Name)
			c.shaped(a.Into.Tensor.Shape, "as the gradient that it masks", a.Name+".mask")
		}
		switch {
		case a.Skipped():
		case !a.Tensor.None():
			if wrong := own(*a.Tensor); wrong != "" {
				c.refuse("%v %v %s", a, a.Tensor.Shape, wrong)
			}
		case !a.optional:
			c.refuse("%v is absent", a)
		}
	}
	if c.rule != nil {
		c.rule(c)
	}
	c.checkMemory()
}

// checkMemory refuses outputs in memory of another argument, but for those that may
// take its place.
func (c *Call) checkMemory() {
	seen := make(map[Mem]bool, len(c.Args))
	shared := false
	for _, a := range c.Args {
		if !a.Skipped() && !a.Tensor.None() {
			shared = shared || seen[a.Tensor.Mem]
			seen[a.Tensor.Mem] = true
		}
	}
	if !shared {
		return
	}
	for i, o := range c.Args {
		if o.Role == Input || o.Skipped() || o.Tensor.None() {
			continue
		}
	others:
		for k, a := range c.Args {
			if k == i || a.Skipped() || a.Tensor.Mem != o.Tensor.Mem {
				continue
			}
			for _, t := range o.inPlace {
				if t == a.Tensor && (o.Into == nil || o.Into.Mode == Set) {
					continue others
				}
			}
			c.refuse("an output %v shares its memory with %v: %v is in %v", o.Tensor.Shape, a.Tensor.Shape, o, a)
		}
	}
}

// refuse panics.
func (c *Call) refuse(format string, args ...any) {
	panic(c.pkg + ": " + c.Op + ": " + fmt.Sprintf(format, args...))
}

// need panics with all shapes and what they must be unless ok.
func (c *Call) need(ok bool, format string, args ...any) {
	if ok {
		return
	}
	var list []string
	for _, a := range c.Args {
		shape := "absent"
		if !a.Tensor.None() {
			shape = a.Tensor.Shape.String()
		}
		if a.Skipped() {
			shape += " skipped"
		}
		list = append(list, a.Name+" "+shape)
	}
	c.refuse("%s: %s", strings.Join(list, ", "), fmt.Sprintf(format, args...))
}

// shaped panics unless every named argument that is there has shape s, which is
// called what.
func (c *Call) shaped(s Shape, what string, names ...string) {
	for _, a := range c.Args {
		for _, name := range names {
			if a.Name == name && !a.Skipped() && !a.Tensor.None() && a.Tensor.Shape != s {
				c.need(false, "%s must be %v, %s", name, s, what)
			}
		}
	}
}

func bytesOf(ts ...Tensor) (n int64) {
	for _, t := range ts {
		n += 4 * int64(t.Len())
	}
	return n
}

// CheckShape panics unless a tensor can have shape s: no extent below 1, and fewer
// elements than a 64-bit address space holds.
func CheckShape(pkg string, s Shape) {
	n := 1
	for _, e := range [5]int{s.N, s.D, s.H, s.W, s.C} {
		if e < 1 || e > maxLen/n {
			panic(fmt.Sprintf("%s: Alloc: no such shape: %v", pkg, s))
		}
		n *= e
	}
}

const maxLen = math.MaxInt / 8
