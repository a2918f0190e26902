package devicetest

import (
	"maps"
	"math"
	"slices"
	"strings"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

// role is what an operation does with an argument.
type role int

const (
	input role = iota
	output
	grad  // an Into
	state // read and changed
)

// arg is one tensor argument.
type arg struct {
	name  string
	shape device.Shape
	role  role
	make  values // contents of an input or state

	// terms and scale say how exact a result can be, see compare. For a gradient
	// without terms the bits must agree when it is Set; Add rounds once.
	terms, scale float64

	group int  // arguments of the same group, not 0, may be absent together
	mask  bool // of the gradient whose name it begins with: absent but in variations of its own
	free  bool // goes with any shape of the others

	operand bool // a factor of a convolution's products, see Options.Operand
}

// trial is one call of one method, with all the ways to make it.
type trial struct {
	method string
	name   string
	args   []arg
	call   func(b device.Backend, t tensors)

	alias [][2]string // outputs and the input whose place they may take
	flops float64
	conv  bool // judged by Options.Conv
	full  bool // every combination of modes, and wrong shapes too
	large bool
}

// tensors are the arguments of one call.
type tensors struct {
	at   map[string]device.Tensor
	mode map[string]device.Mode
}

func (t tensors) into(name string) device.Into {
	return device.Into{Tensor: t.at[name], Mode: t.mode[name], Mask: t.at[name+".mask"]}
}

// maskOf is the mask of a gradient.
func maskOf(g arg) arg { return arg{name: g.name + ".mask", shape: g.shape, make: relu(), mask: true} }

// variation is one way to make the call.
type variation struct {
	what   string
	mode   map[string]device.Mode
	absent map[string]bool
	alias  [2]string // output, input; empty for none
}

func (tr *trial) asCase() Case {
	c := Case{Name: tr.method + "/" + tr.name, Methods: []string{tr.method}, FLOPs: tr.flops, check: tr.check, trial: tr}
	for _, a := range tr.args {
		c.Shapes = append(c.Shapes, a.shape)
	}
	return c
}

// draw makes the contents of all arguments: inputs and states as the trial says,
// for gradients the values that Add finds. set is what the first variation
// leaves in them, in float64.
func (tr *trial) draw() (vals map[string][]float32, set map[string][]float64) {
	vals = map[string][]float32{}
	sizes := map[string]device.Shape{}
	for _, a := range tr.args {
		sizes[a.name] = a.shape
		if a.make != nil {
			vals[a.name] = a.make(draw{rng.New(1, tr.method, tr.name, a.name), a.shape, vals, sizes})
		}
	}
	// What Add finds has the size of what it adds, so that neither drowns.
	set = tr.onRef(tr.variations()[0], vals)
	for _, a := range tr.args {
		if a.role != grad {
			continue
		}
		rms := 0.0
		for _, v := range set[a.name] {
			rms += v * v / float64(len(set[a.name]))
		}
		if rms == 0 {
			rms = 1
		}
		vals[a.name] = normal(0, math.Sqrt(rms))(draw{Stream: rng.New(2, tr.method, tr.name, a.name), shape: a.shape})
	}
	return vals, set
}

// variations starts with all arguments present, but for masks, and all gradients Set.
func (tr *trial) variations() []variation {
	vs := tr.withoutMasks()
	masks := map[string]bool{}
	for _, a := range tr.args {
		if a.mask {
			masks[a.name] = true
		}
	}
	if len(masks) == 0 {
		return vs
	}
	for i, v := range vs {
		if v.absent == nil {
			v.absent = map[string]bool{}
		}
		maps.Copy(v.absent, masks)
		vs[i] = v
	}
	for _, m := range []device.Mode{device.Set, device.Add} {
		v := variation{what: m.String() + ", masked", mode: map[string]device.Mode{}}
		for g := range vs[0].mode {
			v.mode[g] = m
		}
		vs = append(vs, v)
	}
	return vs
}

func (tr *trial) withoutMasks() []variation {
	var grads []string
	groups := map[int][]string{}
	for _, a := range tr.args {
		if a.role == grad {
			grads = append(grads, a.name)
		}
		if a.group != 0 {
			groups[a.group] = append(groups[a.group], a.name)
		}
	}
	modes := func(of func(i int) device.Mode) map[string]device.Mode {
		m := map[string]device.Mode{}
		for i, g := range grads {
			m[g] = of(i)
		}
		return m
	}
	set := modes(func(int) device.Mode { return device.Set })
	vs := []variation{{what: "set", mode: set}}
	if !tr.full {
		if len(grads) > 0 {
			vs = append(vs, variation{what: "add", mode: modes(func(int) device.Mode { return device.Add })})
		}
		return vs
	}
	// Every combination of Set, Add, Skip and Skip without a tensor; of many gradients each by itself,
	// among others that are Set and that are skipped.
	few := len(grads) <= 4
	count := 1 << (2 * len(grads))
	if !few {
		count = 8 * len(grads)
	}
	for n := 1; n < count; n++ {
		v := variation{absent: map[string]bool{}}
		digit := func(i int) int {
			switch {
			case few:
				return n >> (2 * i) & 3
			case n/8 == i:
				return n & 3
			}
			return n & 4 >> 1
		}
		v.mode = modes(func(i int) device.Mode {
			return [...]device.Mode{device.Set, device.Add, device.Skip, device.Skip}[digit(i)]
		})
		var what []string
		for i, g := range grads {
			v.absent[g] = digit(i) == 3
			what = append(what, g+" "+[...]string{"set", "add", "skip", "absent"}[digit(i)])
		}
		v.what = strings.Join(what, ", ")
		vs = append(vs, v)
	}
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		v := variation{what: "without " + strings.Join(groups[g], " and "), mode: set, absent: map[string]bool{}}
		for _, name := range groups[g] {
			v.absent[name] = true
		}
		vs = append(vs, v)
	}
	for _, p := range tr.alias {
		vs = append(vs, variation{what: p[0] + " in " + p[1], mode: set, alias: p})
	}
	return vs
}
