package devicetest

import (
	"fmt"
	"math"
	"slices"

	"voxgrad/device"
	"voxgrad/internal/numdiff"
	"voxgrad/internal/rng"
)

// Exact is a backend whose memory the host can see in float64, as the float64
// backend of package ref. Finite differences need one: in float32 they are noise.
type Exact interface {
	device.Backend
	Data(t device.Tensor) []float64
}

// Gradients is the table of finite differences. With y = f(inputs), a random
// upstream gradient r and L = Σ r·y, each reverse operation must give ∂L/∂input,
// measured by central differences (internal/numdiff) in single elements and along
// random directions through all of them. Check needs an Exact backend.
func Gradients() []Case {
	var cases []Case
	for _, f := range families {
		if f.gradients == nil {
			continue
		}
		for _, g := range f.gradients() {
			c := Case{Name: g.name, Methods: g.methods, check: g.check}
			for _, l := range g.inputs {
				c.Shapes = append(c.Shapes, l.shape)
			}
			cases = append(cases, c)
		}
	}
	return cases
}

// leaf is a tensor with its first contents.
type leaf struct {
	name  string
	shape device.Shape
	make  values
}

// gradient is a function with its reverse. forward computes y from the inputs
// and work; backward, called after it, the gradient "d"+name of each input from dy.
type gradient struct {
	name     string
	methods  []string
	inputs   []leaf
	work     []leaf // constants, and what forward leaves for backward
	out      device.Shape
	forward  func(b device.Backend, t tensors)
	backward func(b device.Backend, t tensors)
}

// slopes measures with values of size 1.
var slopes = numdiff.Options{Steps: []float64{1e-3}, Elements: 40, Directions: 4, Relative: 1e-8, Rounding: 1e-15}

func (g *gradient) check(b device.Backend, _ Options) (rep Report, err error) {
	exact, ok := b.(Exact)
	if !ok {
		return rep, fmt.Errorf("finite differences need a backend with float64 memory, %s has none", b.Name())
	}
	mem := arena{b: b}
	defer mem.free()
	t := tensors{map[string]device.Tensor{}, map[string]device.Mode{}}
	alloc := func(name string, s device.Shape, make values) []float64 {
		t.at[name] = mem.alloc(name, s)
		x := exact.Data(t.at[name])
		if make != nil {
			for i, v := range make(draw{Stream: rng.New(3, g.name, name), shape: s}) {
				x[i] = float64(v)
			}
		}
		return x
	}
	for _, l := range append(g.inputs, g.work...) {
		alloc(l.name, l.shape, l.make)
	}
	y, up := alloc("y", g.out, nil), alloc("dy", g.out, normal(0, 1))
	for _, l := range g.inputs {
		alloc("d"+l.name, l.shape, nil)
		t.mode["d"+l.name] = device.Set
	}
	g.forward(b, t)
	g.backward(b, t)

	loss := func() (sum, size float64) {
		g.forward(b, t)
		for i, r := range up {
			sum += r * y[i]
			size += math.Abs(r * y[i])
		}
		return sum, size
	}
	for _, l := range g.inputs {
		x, dx := exact.Data(t.at[l.name]), exact.Data(t.at["d"+l.name])
		in := numdiff.Input{Values: slices.Clone(x), Gradient: dx, Set: func(v []float64) { copy(x, v) }}
		r := numdiff.Check(in, slopes, rng.New(4, g.name, l.name), loss)
		w := Report{What: "d" + l.name, MaxErr: r.Worst.Error, Bound: r.Worst.Bound, NMSE: r.NMSE}
		rep.worse(w)
		if r.Wrong > 0 {
			return w, fmt.Errorf("d%s: gradient %.12g, difference quotient %.12g: error %.3g above the bound %.3g",
				l.name, r.Worst.Got, r.Worst.Want, r.Worst.Error, r.Worst.Bound)
		}
	}
	return rep, mem.check()
}
