// Package numdiff compares gradients with slopes measured by central differences.
// It is the only place that takes any; packages device/devicetest and
// autograd/gradcheck say of what.
package numdiff

import (
	"math"

	"voxgrad/internal/rng"
)

// Options state what is measured and how well the two must agree.
type Options struct {
	// Steps are the h to try, one after another where a slope is wrong: where a ReLU or
	// a maximum changes sides within a step, the difference is not the slope. A wrong
	// gradient is wrong at each.
	Steps []float64

	Elements   int // of an input, looked at alone; chosen at random if there are more
	Directions int // random directions ±1 through all elements

	// A difference d at step h may be wrong by
	//
	//	Relative·s + Absolute + Rounding·|L|/h
	//
	// with |L| the size of the loss's terms and s the largest slope of the input: of
	// elements for an element, of directions (or the norm of the gradient) for a direction.
	Relative, Absolute, Rounding float64
}

// Input is one of the tensors on which a loss depends.
type Input struct {
	Values   []float64 // where the gradient was taken
	Gradient []float64 // to be checked
	Set      func(x []float64)
}

// Slope is one comparison.
type Slope struct {
	Element   int // -1: a direction through all elements
	Got, Want float64
	Error     float64 // |Got − Want|
	Bound     float64
}

// OK reports whether the error is within the bound; a NaN is not.
func (s Slope) OK() bool { return s.Error <= s.Bound }

// ratio orders slopes by how wrong they are.
func (s Slope) ratio() float64 {
	switch {
	case s.Error == 0:
		return 0
	case math.IsNaN(s.Error):
		return math.Inf(1)
	}
	return s.Error / s.Bound
}

// Result is what came of one input.
type Result struct {
	Slopes int
	Wrong  int
	Worst  Slope // with the largest Error/Bound
	NMSE   float64
}

// Check compares an input's gradient with the slopes of loss, which returns its value
// and the size of its terms for what was Set last. The values are set back at the end.
func Check(in Input, o Options, random *rng.Stream, loss func() (value, size float64)) Result {
	defer in.Set(in.Values)
	size := 0.0
	at := func(x []float64) float64 {
		in.Set(x)
		v, s := loss()
		size = math.Max(size, s)
		return v
	}
	moved := make([]float64, len(in.Values))
	// slope is the fourth-order central difference along a direction.
	slope := func(direction func(i int) float64, h float64) float64 {
		f := func(h float64) float64 {
			for i, x := range in.Values {
				moved[i] = x + h*direction(i)
			}
			return at(moved)
		}
		return (8*(f(h)-f(-h)) - (f(2*h) - f(-2*h))) / (12 * h)
	}

	var slopes []Slope
	var directions []func(i int) float64
	add := func(element int, got float64, direction func(i int) float64) {
		slopes = append(slopes, Slope{Element: element, Got: got, Want: slope(direction, o.Steps[0])})
		directions = append(directions, direction)
	}
	for _, e := range random.Perm(len(in.Values))[:min(o.Elements, len(in.Values))] {
		add(e, in.Gradient[e], func(i int) float64 {
			if i == e {
				return 1
			}
			return 0
		})
	}
	for range o.Directions {
		// ±1 moves every element as far as a single one, so kinks stay out of reach.
		sign := make([]float64, len(in.Values))
		dot := 0.0
		for i := range sign {
			sign[i] = 1 - 2*float64(random.Uint32()&1)
			dot += sign[i] * in.Gradient[i]
		}
		add(-1, dot, func(i int) float64 { return sign[i] })
	}

	var single, along float64 // the largest slopes of the two kinds
	for _, g := range in.Gradient {
		single = larger(single, g)
	}
	along = larger(0, norm(in.Gradient))
	for _, s := range slopes {
		if s.Element < 0 {
			along = larger(along, s.Want)
		} else {
			single = larger(single, s.Want)
		}
	}
	var r Result
	var err2, sum2, worst float64
	for i := range slopes {
		s := &slopes[i]
		scale := single
		if s.Element < 0 {
			scale = along
		}
		judge := func(h, want float64) {
			e, bound := math.Abs(s.Got-want), o.Relative*scale+o.Absolute+o.Rounding*size/h
			if next := (Slope{s.Element, s.Got, want, e, bound}); h == o.Steps[0] || next.ratio() < s.ratio() {
				*s = next
			}
		}
		judge(o.Steps[0], s.Want)
		for _, h := range o.Steps[1:] {
			if s.OK() {
				break
			}
			judge(h, slope(directions[i], h))
		}
		err2, sum2 = err2+s.Error*s.Error, sum2+s.Want*s.Want
		r.Slopes++
		if !s.OK() {
			r.Wrong++
		}
		if ratio := s.ratio(); r.Slopes == 1 || ratio > worst {
			r.Worst, worst = *s, ratio
		}
	}
	if sum2 > 0 {
		r.NMSE = err2 / sum2
	}
	return r
}

// larger is the larger of a and |b|, if b is a number.
func larger(a, b float64) float64 {
	if b = math.Abs(b); b > a && !math.IsInf(b, 0) {
		return b
	}
	return a
}

func norm(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v * v
	}
	return math.Sqrt(s)
}
