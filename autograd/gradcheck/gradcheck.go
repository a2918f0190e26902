// Package gradcheck compares the gradients of a function of Vars with central
// differences, as torch.autograd.gradcheck does:
//
//	err := gradcheck.Check(dev, func(t *autograd.Tape) *autograd.Var {
//		return t.Conv(x, w, b, device.Conv3x3x3, device.ReLU)
//	}, []*autograd.Var{x, w, b}, gradcheck.Options{})
//
// Any function on any backend will do: one operation, or a whole network with its
// parameters. On a backend of float64 (ref.New[float64]()) the comparison is exact to
// some eight digits; in float32 to about two, which is enough to find a wrong term, a
// forgotten border voxel or a mode that is ignored.
package gradcheck

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/numdiff"
	"voxgrad/internal/rng"
)

// Options are how to check. The zero Options are good for values of size 1.
type Options struct {
	// Steps are the distances h of the differences. A shorter one is tried where a slope
	// is wrong, because a ReLU or a maximum may change sides within a step. None: 1e-3,
	// 1e-5 and 1e-7 in float64; 2e-2, 1e-3, 1e-4 and 2e-5 in float32.
	Steps []float64

	// Elements of each input, chosen at random, are looked at one by one, and the whole
	// input along random Directions. 0: 24 and 3; less than 0: none.
	Elements, Directions int

	// A slope may be wrong by Relative times the largest slope of its input, of an element
	// or along a direction, plus
	// Absolute, plus what rounding may make. Relative 0: 1e-7 in float64, 2e-3 in float32.
	Relative, Absolute float64

	// Key is the tape's, for what is random in the function.
	Key uint64

	// Seed draws the upstream gradient, the elements and the directions.
	Seed uint64

	// Slopes alone: leave out the checks of the reverse step's manners (see Check).
	Slopes bool
}

// Exact is a backend whose memory the host sees in float64.
type Exact interface {
	device.Backend
	Data(x device.Tensor) []float64
}

// Report is what a check looked at.
type Report struct {
	Slopes int    // compared
	Input  string // that of the worst slope
	Error  float64
	Bound  float64 // of the worst slope
}

// Check compares the gradients of Σ r·f with central differences, r a random upstream
// gradient: a plain sum would be blind to norms, whose output has a fixed sum. inputs are
// the leaves that want a gradient (Parameters) and that f uses; f is called with a new tape
// each time and must compute the same on each. Their gradients are cleared.
//
// It also checks what a reverse step of one's own may get wrong while its numbers are right:
// that a second pass returns the same bits, that contributions add up (device.Add), that each
// gradient is the same when no other is wanted (device.Skip, and what is saved), that inputs
// are left alone, and that a tape that does not record returns the same result (operations in
// place).
//
// The error names the input, the element, both slopes and the bound of the worst.
func Check(dev device.Backend, f func(t *autograd.Tape) *autograd.Var, inputs []*autograd.Var, opt Options) error {
	_, err := Run(dev, f, inputs, opt)
	return err
}

// Run is Check with a report.
func Run(dev device.Backend, f func(t *autograd.Tape) *autograd.Var, inputs []*autograd.Var, opt Options) (Report, error) {
	c := &checker{dev: dev, f: f, inputs: inputs, opt: opt}
	if len(inputs) == 0 {
		return Report{}, errors.New("gradcheck: no input to check")
	}
	for i, v := range inputs {
		if !v.WantsGrad() {
			return Report{}, fmt.Errorf("gradcheck: %s wants no gradient: make it a Parameter", name(inputs, i))
		}
	}
	c.exact, _ = dev.(Exact)
	defer c.free()
	if err := c.start(); err != nil {
		return Report{}, err
	}
	grads, err := c.gradients()
	if err != nil {
		return Report{}, err
	}
	if !opt.Slopes {
		if err := c.manners(grads); err != nil {
			return Report{}, err
		}
	}
	return c.slopes(grads)
}

type checker struct {
	dev    device.Backend
	exact  Exact // nil in float32
	f      func(t *autograd.Tape) *autograd.Var
	inputs []*autograd.Var
	opt    Options

	values [][]float64 // of the inputs
	output []float64
	up     []float64     // r
	upT    device.Tensor // on the device
}

// start runs f once for its shape, its output and the upstream gradient.
func (c *checker) start() error {
	for _, v := range c.inputs {
		c.values = append(c.values, c.get(v.Tensor))
	}
	t := autograd.New(c.dev, c.opt.Key)
	defer t.Close()
	y := c.f(t)
	if !y.WantsGrad() {
		return errors.New("gradcheck: the result does not depend on an input that wants a gradient")
	}
	c.output = c.get(y.Tensor)
	draw := rng.New(c.opt.Seed, "upstream")
	c.upT = c.dev.Alloc(y.Shape)
	r := make([]float64, y.Len())
	for i := range r {
		r[i] = draw.Normal()
	}
	c.set(c.upT, r)
	c.up = c.get(c.upT) // as rounded
	return c.dev.Sync()
}

func (c *checker) free() {
	c.clear()
	if !c.upT.None() {
		c.dev.Free(c.upT)
	}
}

func (c *checker) clear() {
	for _, v := range c.inputs {
		v.ClearGrad()
	}
}

// gradients are those of all inputs, with nothing of them before.
func (c *checker) gradients() ([][]float64, error) {
	c.clear()
	c.backward()
	var out [][]float64
	for i, v := range c.inputs {
		if v.Grad().None() {
			return nil, fmt.Errorf("gradcheck: no gradient reaches %s", name(c.inputs, i))
		}
		out = append(out, c.get(v.Grad()))
	}
	return out, c.dev.Sync()
}

func (c *checker) backward() {
	t := autograd.New(c.dev, c.opt.Key)
	defer t.Close()
	t.BackwardFrom(c.f(t), c.upT)
}

// manners checks all but the numbers.
func (c *checker) manners(grads [][]float64) error {
	again, err := c.gradients()
	if err != nil {
		return err
	}
	for i := range grads {
		if at := differs(grads[i], again[i], 0); at >= 0 {
			return fmt.Errorf("gradcheck: the gradient of %s differs between two runs, %s: %g and %g",
				name(c.inputs, i), c.place(i, at), grads[i][at], again[i][at])
		}
	}
	c.backward() // without clearing: twice the gradient
	for i, v := range c.inputs {
		twice := c.get(v.Grad())
		for j := range twice {
			twice[j] /= 2
		}
		if at := differs(grads[i], twice, c.roundoff()*norm(grads[i])); at >= 0 {
			return fmt.Errorf("gradcheck: the gradient of %s does not add to what is there (mode Add), %s: twice %g became %g",
				name(c.inputs, i), c.place(i, at), grads[i][at], 2*twice[at])
		}
	}
	if err := c.alone(grads); err != nil {
		return err
	}
	for i, v := range c.inputs {
		if at := differs(c.values[i], c.get(v.Tensor), 0); at >= 0 {
			return fmt.Errorf("gradcheck: %s was changed, %s", name(c.inputs, i), c.place(i, at))
		}
	}
	if c.opt.Key != 0 {
		return nil // a tape that does not record has the key 0
	}
	t := autograd.NewInference(c.dev)
	defer t.Close()
	y := c.get(c.f(t).Tensor)
	if at := differs(c.output, y, 0); at >= 0 {
		return fmt.Errorf("gradcheck: without recording, element %d of the result is %g instead of %g", at, y[at], c.output[at])
	}
	return nil
}

// alone checks each gradient with all others switched off.
func (c *checker) alone(grads [][]float64) error {
	if len(c.inputs) == 1 {
		return nil
	}
	defer func() {
		for _, v := range c.inputs {
			v.SetWantsGrad(true)
		}
	}()
	for i, v := range c.inputs {
		for j, other := range c.inputs {
			other.SetWantsGrad(i == j)
		}
		v.ClearGrad()
		c.backward()
		if v.Grad().None() {
			return fmt.Errorf("gradcheck: no gradient reaches %s when no other input wants one", name(c.inputs, i))
		}
		g := c.get(v.Grad())
		if at := differs(grads[i], g, c.roundoff()*norm(grads[i])); at >= 0 {
			return fmt.Errorf("gradcheck: the gradient of %s is another when no other input wants one, %s: %g instead of %g",
				name(c.inputs, i), c.place(i, at), g[at], grads[i][at])
		}
	}
	return c.dev.Sync()
}

// slopes compares with central differences.
func (c *checker) slopes(grads [][]float64) (rep Report, err error) {
	loss := func() (sum, size float64) {
		t := autograd.New(c.dev, c.opt.Key) // records, so that everything is done as before
		defer t.Close()
		var squares float64
		for i, y := range c.get(c.f(t).Tensor) {
			v := c.up[i] * y
			sum += v
			size += math.Abs(v)
			squares += v * v
		}
		if c.exact == nil {
			size = math.Sqrt(squares) // many roundings, of either sign
		}
		return sum, size
	}
	var wrong []string
	for i, v := range c.inputs {
		in := numdiff.Input{Values: c.values[i], Gradient: grads[i], Set: func(x []float64) { c.set(v.Tensor, x) }}
		r := numdiff.Check(in, c.options(), rng.New(c.opt.Seed, "slopes", i), loss)
		rep.Slopes += r.Slopes
		if w := r.Worst; rep.Bound == 0 || w.Error*rep.Bound > rep.Error*w.Bound || math.IsNaN(w.Error) {
			rep.Input, rep.Error, rep.Bound = name(c.inputs, i), w.Error, w.Bound
		}
		if r.Wrong > 0 {
			wrong = append(wrong, fmt.Sprintf("the gradient of %s is wrong in %d of %d slopes, most %s: the gradient says %.9g, the difference quotient %.9g, their difference %.3g is above %.3g",
				name(c.inputs, i), r.Wrong, r.Slopes, c.place(i, r.Worst.Element), r.Worst.Got, r.Worst.Want, r.Worst.Error, r.Worst.Bound))
		}
	}
	if err := c.dev.Sync(); err != nil {
		return rep, err
	}
	if len(wrong) > 0 {
		return rep, errors.New("gradcheck: " + strings.Join(wrong, "\n"))
	}
	return rep, nil
}

func (c *checker) options() numdiff.Options {
	o := numdiff.Options{Steps: c.opt.Steps, Relative: c.opt.Relative, Absolute: c.opt.Absolute, Rounding: 1e-15,
		Elements: orDefault(c.opt.Elements, 24), Directions: orDefault(c.opt.Directions, 3)}
	if len(o.Steps) == 0 {
		o.Steps = []float64{1e-3, 1e-5, 1e-7}
		if c.exact == nil {
			o.Steps = []float64{2e-2, 1e-3, 1e-4, 2e-5}
		}
	}
	if o.Relative == 0 {
		o.Relative = 1e-7
		if c.exact == nil {
			o.Relative = 2e-3
		}
	}
	if c.exact == nil {
		o.Rounding = 4 * c.roundoff()
	}
	return o
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return max(n, 0)
}

// roundoff is the relative error of one rounding, and of a few.
func (c *checker) roundoff() float64 {
	if c.exact == nil {
		return 0x1p-22
	}
	return 0x1p-51
}

// get copies a tensor to the host with all its digits.
func (c *checker) get(x device.Tensor) []float64 {
	if c.exact != nil {
		return slices.Clone(c.exact.Data(x))
	}
	f := make([]float32, x.Len())
	c.dev.Download(f, x)
	out := make([]float64, len(f))
	for i, v := range f {
		out[i] = float64(v)
	}
	return out
}

func (c *checker) set(x device.Tensor, values []float64) {
	if c.exact != nil {
		copy(c.exact.Data(x), values)
		return
	}
	f := make([]float32, len(values))
	for i, v := range values {
		f[i] = float32(v)
	}
	c.dev.Upload(x, f)
}

// place is an element of input i in words, or a direction.
func (c *checker) place(i, element int) string {
	if element < 0 {
		return "along a random direction"
	}
	s := c.inputs[i].Shape
	at := [5]int{}
	for axis, n := range []int{s.C, s.W, s.H, s.D, s.N} {
		e := element
		for _, m := range []int{s.C, s.W, s.H, s.D, s.N}[:axis] {
			e /= m
		}
		at[4-axis] = e % n
	}
	return fmt.Sprintf("at %v of %v", at, s)
}

// name is what an input is called in messages.
func name(inputs []*autograd.Var, i int) string {
	if inputs[i].Name != "" {
		return inputs[i].Name
	}
	return fmt.Sprintf("input %d", i+1)
}

// differs is the first element where a and b are further apart than tolerance, or -1.
func differs(a, b []float64, tolerance float64) int {
	for i := range a {
		if a[i] != b[i] && !(math.Abs(a[i]-b[i]) <= tolerance) && !(math.IsNaN(a[i]) && math.IsNaN(b[i])) {
			return i
		}
	}
	return -1
}

func norm(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v * v
	}
	return math.Sqrt(s)
}
