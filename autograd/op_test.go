package autograd_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
)

// split is an op of another package with two results: the first c channels of x
// and the rest.
func split(t *autograd.Tape, x *autograd.Var, c int) (a, b *autograd.Var) {
	dev := t.Device()
	out := t.Apply(autograd.Op{
		Name: "split", In: []*autograd.Var{x}, Out: []device.Shape{x.WithC(c), x.WithC(x.C - c)},
		Forward: func(out, in []device.Tensor) {
			dev.Split(device.Into{Tensor: out[0], Mode: device.Set}, device.Into{Tensor: out[1], Mode: device.Set}, in[0])
		},
		Reverse: func(_ autograd.Saved, dy []device.Tensor, dx []device.Into) {
			joined := dev.Alloc(dx[0].Shape)
			defer dev.Free(joined)
			dev.Concat(joined, dy[0], dy[1])
			dev.Copy(dx[0], joined)
		},
	})
	return out[0], out[1]
}

func TestOpWithTwoResults(t *testing.T) {
	b := newBench(t)
	x, y := b.leaf("x", grid), b.leaf("y", grid)
	b.check([]*autograd.Var{x, y}, func(t *autograd.Tape) *autograd.Var {
		first, rest := split(t, t.Concat(x, y), 2)
		return t.Concat(rest, t.Concat(t.Hold(first), first))
	})
	x.ClearGrad()
	y.ClearGrad()
	b.check([]*autograd.Var{x}, func(t *autograd.Tape) *autograd.Var {
		first, rest := split(t, t.Concat(x, y), 2)
		t.Release(rest) // no gradient reaches it: it counts as zero
		return first
	})
}

// What is not saved is not there, and is not kept in memory.
func TestOnlySavedValuesReachReverse(t *testing.T) {
	b := newBench(t)
	x := b.leaf("x", grid)
	for _, c := range []struct {
		in, out []int
	}{{nil, nil}, {[]int{0}, nil}, {nil, []int{0, 1}}, {[]int{1}, []int{1}}} {
		tape := autograd.New(b.dev, 0)
		y := tape.Concat(x, x)
		before, _ := b.dev.Usage()
		seen := false
		out := tape.Apply(autograd.Op{
			Name: "double", In: []*autograd.Var{y, nil, x}, Out: []device.Shape{y.Shape}, Side: []device.Shape{device.Scalar()},
			Forward: func(out, in []device.Tensor) {
				require.True(t, in[1].None())
				b.dev.Blend(out[0], in[0], in[0], 1, 1)
				b.dev.Fill(out[1], 2)
			},
			Reverse: func(s autograd.Saved, dy []device.Tensor, dx []device.Into) {
				seen = true
				for i, v := range s.In {
					require.Equal(t, i != 1 && contains(c.in, i), !v.None(), "argument %d", i)
				}
				for i, v := range s.Out {
					require.Equal(t, contains(c.out, i), !v.None(), "result %d", i)
				}
				require.Equal(t, []device.Mode{device.Set, device.Skip, device.Set}, []device.Mode{dx[0].Mode, dx[1].Mode, dx[2].Mode})
				b.dev.Blend(dx[0].Tensor, dy[0], dy[0], 1, 1)
				b.dev.Fill(dx[2].Tensor, 0)
			},
			SaveIn: c.in, SaveOut: c.out,
		})
		require.False(t, out[1].WantsGrad(), "a side result carries no gradient")
		tape.Release(out[1])
		now, _ := b.dev.Usage()
		want := 0
		if contains(c.in, 0) {
			want += 8 * y.Len()
		}
		want += 8 * (out[0].Len() - y.Len()) // the result, in exchange for the argument
		if contains(c.out, 1) {
			want += 8
		}
		require.EqualValues(t, want, now-before)
		tape.BackwardFrom(out[0], b.leaf("dy", out[0].Shape).Tensor)
		require.True(t, seen)
		tape.Close()
		x.ClearGrad()
	}
}

func contains(list []int, i int) bool {
	for _, v := range list {
		if v == i {
			return true
		}
	}
	return false
}

// scale is an op that may work in place, forward and backward.
func scale(t *autograd.Tape, x *autograd.Var, by float64) *autograd.Var {
	dev := t.Device()
	return t.Apply(autograd.Op{
		Name: "scale", In: []*autograd.Var{x}, Out: []device.Shape{x.Shape},
		Forward: func(out, in []device.Tensor) { dev.Blend(out[0], in[0], in[0], by, 0) },
		Reverse: func(_ autograd.Saved, dy []device.Tensor, dx []device.Into) {
			dev.Blend(dy[0], dy[0], dy[0], by, 0)
			if dx[0].Mem != dy[0].Mem {
				dev.Copy(dx[0], dy[0])
			}
		},
		InPlace: true, GradInPlace: true,
	})[0]
}

func TestOpInPlace(t *testing.T) {
	b := newBench(t)
	x := b.leaf("x", grid)
	b.check([]*autograd.Var{x}, func(t *autograd.Tape) *autograd.Var {
		y := scale(t, t.Upsample(x), 2) // in place: Upsample does not read its result
		z := scale(t, t.Hold(y), 3)     // not: y is read below
		return t.Concat(scale(t, z, 0.5), y)
	})
	tape := autograd.New(b.dev, 0)
	defer tape.Close()
	y := tape.Upsample(x)
	before, _ := b.dev.Usage()
	y = scale(tape, y, 2)
	now, _ := b.dev.Usage()
	require.Equal(t, before, now)
	pooled := tape.MaxPool(y) // saves y
	before, _ = b.dev.Usage()
	scale(tape, pooled, 2) // saved by the op before: needs memory of its own
	now, _ = b.dev.Usage()
	require.EqualValues(t, 8*pooled.Len(), now-before)
}

// The same Var as two arguments gets both contributions.
func TestRepeatedArgument(t *testing.T) {
	b := newBench(t)
	x := b.leaf("x", grid)
	b.check([]*autograd.Var{x}, func(t *autograd.Tape) *autograd.Var {
		y := t.Upsample(x)
		return t.MSE(t.Concat(t.Hold(y), y), t.Concat(x2(t, x), x2(t, x)))
	})
}

func x2(t *autograd.Tape, x *autograd.Var) *autograd.Var { return scale(t, t.Upsample(x), 2) }

func TestMisusedOps(t *testing.T) {
	b := newBench(t)
	x := b.leaf("x", grid)
	tape := autograd.New(b.dev, 0)
	defer tape.Close()
	y := tape.Upsample(x)
	require.PanicsWithValue(t, "autograd: a result of upsample, of shape [2 6 8 10 3], is passed 2 times: Hold it once for each time but the first",
		func() { tape.Concat(y, y) })
	tape.Concat(tape.Hold(y), y)
	z := tape.Upsample(x)
	tape.Release(z)
	require.PanicsWithValue(t, "autograd: a result of upsample, of shape [2 6 8 10 3], has been released", func() { tape.MaxPool(z) })
	require.PanicsWithValue(t, "autograd: softmax has no reverse step, but a gradient is wanted of an argument",
		func() { tape.Softmax(x) })
}
