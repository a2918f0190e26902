package autograd

import (
	"fmt"

	"voxgrad/device"
)

// Samples are the samples of x, each as a batch of one.
func (t *Tape) Samples(x *Var) []*Var {
	op := Op{
		Name: "samples", In: []*Var{x},
		Forward: func(out, in []device.Tensor) {
			for n, y := range out {
				t.dev.TakeSample(y, in[0], n)
			}
		},
		Reverse: func(_ Saved, dy []device.Tensor, dx []device.Into) {
			to := dx[0].Tensor
			if dx[0].Mode == device.Add {
				to = t.alloc(to.Shape, true)
				defer t.dev.Free(to)
			}
			for n, d := range dy {
				t.dev.PutSample(to, n, d)
			}
			if dx[0].Mode == device.Add {
				t.dev.Copy(dx[0], to)
			}
		},
	}
	one := x.Shape
	one.N = 1
	for range x.N {
		op.Out = append(op.Out, one)
	}
	return t.Apply(op)
}

// Batch joins samples, each a batch of one.
func (t *Tape) Batch(x []*Var) *Var {
	all := x[0].Shape
	all.N = len(x)
	return t.Apply(Op{
		Name: "batch", In: x, Out: []device.Shape{all},
		Forward: func(out, in []device.Tensor) {
			for n, v := range in {
				t.dev.PutSample(out[0], n, v)
			}
		},
		Reverse: func(_ Saved, dy []device.Tensor, dx []device.Into) {
			for n, d := range dx {
				switch d.Mode {
				case device.Set:
					t.dev.TakeSample(d.Tensor, dy[0], n)
				case device.Add:
					one := t.alloc(d.Shape, true)
					t.dev.TakeSample(one, dy[0], n)
					t.dev.Copy(d, one)
					t.dev.Free(one)
				}
			}
		},
	})[0]
}

// EachSample applies f to one sample after another of x and joins the results, where samples do not depend
// on one another; to x itself where there is one. f is given a sample of each x, for it to use up.
func (t *Tape) EachSample(f func(x []*Var) *Var, x ...*Var) *Var {
	n := x[0].N
	for _, v := range x {
		if v.N != n {
			panic(fmt.Sprintf("autograd: batches of %d and %d samples, %v and %v", n, v.N, x[0].Shape, v.Shape))
		}
	}
	if n == 1 {
		return f(x)
	}
	samples := make([][]*Var, n)
	for _, v := range x {
		for i, s := range t.Samples(v) {
			samples[i] = append(samples[i], s)
		}
	}
	y := make([]*Var, n)
	for i, s := range samples {
		y[i] = f(s)
	}
	return t.Batch(y)
}
