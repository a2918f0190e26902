package devicetest

import (
	"fmt"
	"math"

	"voxgrad/device"
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
// measured as the fourth-order central difference
//
//	(8(L(h) − L(−h)) − (L(2h) − L(−2h))) / 12h
//
// in single elements and along random directions through all of them. Check needs
// an Exact backend.
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

const (
	step       = 1e-3 // h; the values have size 1
	singles    = 40   // elements of an input looked at alone
	directions = 4
	gradBound  = 1e-8         // of the largest difference of an input: the fifth derivative
	lossBound  = 1e-15 / step // of L: rounding, divided by the step
)

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

	size := 0.0 // of the terms of L
	loss := func() float64 {
		g.forward(b, t)
		s, abs := 0.0, 0.0
		for i, r := range up {
			s += r * y[i]
			abs += math.Abs(r * y[i])
		}
		size = math.Max(size, abs)
		return s
	}
	for _, l := range g.inputs {
		x, dx := exact.Data(t.at[l.name]), exact.Data(t.at["d"+l.name])
		got, want := differences(x, dx, rng.New(4, g.name, l.name), loss)
		r, err := compareDifferences(got, want, size)
		r.What = "d" + l.name
		rep.worse(r)
		if err != nil {
			return r, fmt.Errorf("d%s: %w", l.name, err)
		}
	}
	return rep, mem.check()
}

// differences are slopes along single elements and random directions: as the
// gradient dx has it, and as the loss, which reads x, has it.
func differences(x, dx []float64, s *rng.Stream, loss func() float64) (got, want []float64) {
	at := append([]float64(nil), x...)
	defer copy(x, at)
	along := func(dir func(i int) float64) float64 {
		f := func(h float64) float64 {
			for i := range x {
				x[i] = at[i] + h*dir(i)
			}
			return loss()
		}
		return (8*(f(step)-f(-step)) - (f(2*step) - f(-2*step))) / (12 * step)
	}
	elements := s.Perm(len(x))
	for _, e := range elements[:min(singles, len(x))] {
		got = append(got, dx[e])
		want = append(want, along(func(i int) float64 {
			if i == e {
				return 1
			}
			return 0
		}))
	}
	for range directions {
		// ±1 moves every element as far as a single one, so kinks stay out of reach.
		sign := make([]float64, len(x))
		dot := 0.0
		for i := range sign {
			sign[i] = 1 - 2*float64(s.Uint32()&1)
			dot += sign[i] * dx[i]
		}
		got = append(got, dot)
		want = append(want, along(func(i int) float64 { return sign[i] }))
	}
	return got, want
}

func compareDifferences(got, want []float64, size float64) (rep Report, err error) {
	var top, err2, sum2 float64
	worst := -1
	for i := range got {
		d := math.Abs(got[i] - want[i])
		top, err2, sum2 = math.Max(top, math.Abs(want[i])), err2+d*d, sum2+want[i]*want[i]
		if worst < 0 || !(d <= rep.MaxErr) {
			rep.MaxErr, worst = d, i
		}
	}
	rep.Bound = gradBound*top + lossBound*size
	if sum2 > 0 {
		rep.NMSE = err2 / sum2
	}
	if !(rep.MaxErr <= rep.Bound) {
		return rep, fmt.Errorf("gradient %.12g, difference quotient %.12g: error %.3g above the bound %.3g", got[worst], want[worst], rep.MaxErr, rep.Bound)
	}
	return rep, nil
}
