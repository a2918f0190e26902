package autograd_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/autograd/gradcheck"
	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
)

// bench is the oracle with leaves on it.
type bench struct {
	t    *testing.T
	dev  *ref.Backend[float64]
	draw *rng.Stream
}

func newBench(t *testing.T) *bench {
	return &bench{t: t, dev: ref.New[float64](), draw: rng.New(1, t.Name())}
}

// leaf is a parameter with random content, away from 0 so that a small change
// moves no ReLU and no maximum over its kink.
func (b *bench) leaf(name string, s device.Shape) *autograd.Var {
	v := autograd.Parameter(name, b.dev.Alloc(s))
	for i := range b.dev.Data(v.Tensor) {
		x := b.draw.Normal()
		b.dev.Data(v.Tensor)[i] = x + math.Copysign(0.05, x)
	}
	return v
}

// check compares every element of every leaf's gradient with central differences.
func (b *bench) check(leaves []*autograd.Var, f func(t *autograd.Tape) *autograd.Var) {
	b.t.Helper()
	require.NoError(b.t, gradcheck.Check(b.dev, f, leaves, gradcheck.Options{Key: 7, Elements: 1 << 20}))
	require.NoError(b.t, gradcheck.Check(b.dev, f, leaves, gradcheck.Options{Elements: -1}), "without a key: as inference sees it")
	tape := autograd.New(b.dev, 7)
	defer tape.Close()
	y := f(tape)
	r := b.dev.Alloc(y.Shape)
	defer b.dev.Free(r)
	for i := range b.dev.Data(r) {
		b.dev.Data(r)[i] = b.draw.Normal()
	}
	tape.BackwardFrom(y, r)
	for _, v := range leaves {
		var size float64
		for _, g := range b.dev.Data(v.Grad()) {
			size += math.Abs(g)
		}
		require.NotZero(b.t, size, "%s: a gradient of zero everywhere shows nothing", v.Name)
		v.ClearGrad()
	}
}

// noLeaks checks that only the leaves, their gradients and extra remain.
func (b *bench) noLeaks(leaves ...*autograd.Var) {
	b.t.Helper()
	b.dev.ResetPeak()
	var want int64
	for _, v := range leaves {
		want += v.Mem.Bytes()
		if g := v.Grad(); !g.None() {
			want += g.Mem.Bytes()
		}
	}
	now, _ := b.dev.Usage()
	require.Equal(b.t, want, now)
}

var grid = device.Shape{N: 2, D: 3, H: 4, W: 5, C: 3}

func TestConvGradient(t *testing.T) {
	for _, act := range []device.Act{device.Linear, device.ReLU} {
		b := newBench(t)
		x, w, bias := b.leaf("x", grid), b.leaf("w", device.Weights(3, 3, 2)), b.leaf("b", device.Vec(2))
		b.check([]*autograd.Var{x, w, bias}, func(t *autograd.Tape) *autograd.Var {
			return t.Conv(x, w, bias, device.Conv3x3x3, act)
		})
		x.ClearGrad()
		w.ClearGrad()
		b.check([]*autograd.Var{x, w}, func(t *autograd.Tape) *autograd.Var {
			return t.Conv(x, w, nil, device.Conv3x3x3, act)
		})
	}
}

func TestConvTGradient(t *testing.T) {
	b := newBench(t)
	x, w, bias := b.leaf("x", grid), b.leaf("w", device.Weights(2, 3, 2)), b.leaf("b", device.Vec(2))
	b.check([]*autograd.Var{x, w, bias}, func(t *autograd.Tape) *autograd.Var {
		return t.ConvT(x, w, bias, device.ConvT2x2x2)
	})
}

func TestNormGradient(t *testing.T) {
	for _, training := range []bool{true, false} {
		b := newBench(t)
		x, gamma, beta := b.leaf("x", grid), b.leaf("gamma", device.Vec(3)), b.leaf("beta", device.Vec(3))
		mean, variance := b.dev.Alloc(device.Vec(3)), b.dev.Alloc(device.Vec(3))
		b.dev.Fill(mean, 0.25)
		b.dev.Fill(variance, 2)
		b.check([]*autograd.Var{x, gamma, beta}, func(t *autograd.Tape) *autograd.Var {
			if training {
				return t.BatchNormTrain(x, gamma, beta, mean, variance, 1e-5, 0.1)
			}
			return t.BatchNormEval(x, gamma, beta, mean, variance, 1e-5)
		})
		if !training {
			require.Equal(t, []float64{2, 2, 2}, b.dev.Data(variance), "evaluation must leave the statistics alone")
		} else {
			require.NotEqual(t, 2.0, b.dev.Data(variance)[0], "training must move the statistics")
		}
	}
}

func TestPoolUpConcatDropoutGradients(t *testing.T) {
	b := newBench(t)
	x, z := b.leaf("x", device.Shape{N: 2, D: 4, H: 5, W: 2, C: 3}), b.leaf("z", device.Shape{N: 2, D: 4, H: 5, W: 2, C: 2})
	b.check([]*autograd.Var{x}, func(t *autograd.Tape) *autograd.Var { return t.MaxPool(x) })
	x.ClearGrad()
	b.check([]*autograd.Var{x}, func(t *autograd.Tape) *autograd.Var { return t.Upsample(x) })
	x.ClearGrad()
	b.check([]*autograd.Var{x, z}, func(t *autograd.Tape) *autograd.Var { return t.Concat(x, z) })
	x.ClearGrad()
	b.check([]*autograd.Var{x}, func(t *autograd.Tape) *autograd.Var { return t.Dropout(x, 0.3, 99) })
}

// The samples of a batch apart, one of them unused, a gradient added to that of another use, and joined again.
func TestSampleGradients(t *testing.T) {
	b := newBench(t)
	x, z, gamma, beta := b.leaf("x", grid), b.leaf("z", grid.WithC(2)), b.leaf("gamma", device.Vec(3)), b.leaf("beta", device.Vec(3))
	b.check([]*autograd.Var{x, z, gamma, beta}, func(t *autograd.Tape) *autograd.Var {
		y := t.EachSample(func(s []*autograd.Var) *autograd.Var {
			n := t.BatchNormTrain(s[0], gamma, beta, device.Tensor{}, device.Tensor{}, 1e-5, 0)
			return t.Concat(n, s[1])
		}, x, z)
		one := t.Samples(x)
		twice := t.Batch([]*autograd.Var{t.Hold(one[1]), one[1]})
		return t.Concat(y, twice)
	})
	one := b.leaf("one", device.Shape{N: 1, D: 3, H: 4, W: 5, C: 3})
	require.Panics(t, func() {
		autograd.New(b.dev, 0).EachSample(func(s []*autograd.Var) *autograd.Var { return s[0] }, x, one)
	}, "batches of two and of one")
	for _, v := range []*autograd.Var{x, z, gamma, beta} {
		v.FreeGrad(b.dev)
	}
	b.noLeaks(x, z, gamma, beta, one)
}

func TestLossGradients(t *testing.T) {
	for _, opt := range []device.DiceOptions{
		{Eps: 0.01}, {Eps: 0.01, ForegroundOnly: true}, {Eps: 1, CrossEntropy: 0.7},
	} {
		b := newBench(t)
		x := b.leaf("logits", grid.WithC(2))
		g := b.dev.Alloc(x.Shape)
		for r := range x.Rows() {
			lesion := float64(b.draw.Intn(2))
			b.dev.Data(g)[2*r], b.dev.Data(g)[2*r+1] = 1-lesion, lesion
		}
		b.check([]*autograd.Var{x}, func(t *autograd.Tape) *autograd.Var {
			loss, sums := t.DiceLoss(x, autograd.Input(g), opt)
			require.Equal(b.t, device.Vec(6), sums.Shape)
			return loss
		})
	}
	b := newBench(t)
	x, g := b.leaf("x", grid), b.leaf("g", grid)
	b.check([]*autograd.Var{x}, func(t *autograd.Tape) *autograd.Var { return t.MSE(x, autograd.Input(g.Tensor)) })
	x.ClearGrad()
	b.check([]*autograd.Var{x, g}, func(t *autograd.Tape) *autograd.Var { return t.MSE(x, g) })
	require.Panics(t, func() { autograd.New(b.dev, 0).DiceLoss(x, g, device.DiceOptions{}) }, "no gradient in the target")
}

// Everything at once: a skip connection, weights used twice, gradients changed in
// place (norm and dropout hand theirs over), and a result that nobody uses.
func TestSharedAndHeldGradients(t *testing.T) {
	b := newBench(t)
	s := device.Shape{N: 1, D: 4, H: 2, W: 4, C: 2}
	x, z := b.leaf("x", s), b.leaf("z", s)
	w, bias := b.leaf("w", device.Weights(3, 2, 2)), b.leaf("b", device.Vec(2))
	gamma, beta := b.leaf("gamma", device.Vec(2)), b.leaf("beta", device.Vec(2))
	leaves := []*autograd.Var{x, z, w, bias, gamma, beta}
	body := func(t *autograd.Tape, x *autograd.Var) *autograd.Var {
		skip := t.Conv(x, w, bias, device.Conv3x3x3, device.ReLU)
		low := t.Dropout(t.MaxPool(t.Hold(skip)), 0.4, t.RandomKey("dropout", "drop"))
		low = t.BatchNormTrain(low, gamma, beta, device.Tensor{}, device.Tensor{}, 1e-5, 0.1)
		t.MaxPool(t.Hold(skip)) // unused
		return t.Concat(t.Upsample(low), skip)
	}
	b.check(leaves, func(t *autograd.Tape) *autograd.Var {
		return t.Concat(body(t, x), body(t, z))
	})
}

// Two micro-batches of half the weight give the gradient of both.
func TestGradientsAccumulate(t *testing.T) {
	b := newBench(t)
	w := b.leaf("w", device.Weights(3, 3, 2))
	x, g := b.leaf("x", grid), b.leaf("g", grid.WithC(2))
	step := func(scale float32) {
		tape := autograd.New(b.dev, 0)
		defer tape.Close()
		y := tape.Conv(autograd.Input(x.Tensor), w, nil, device.Conv3x3x3, device.Linear)
		tape.BackwardScaled(tape.MSE(y, autograd.Input(g.Tensor)), scale)
	}
	step(1)
	once := append([]float64(nil), b.dev.Data(w.Grad())...)
	w.ClearGrad()
	require.True(t, w.Grad().None())
	step(0.5)
	step(0.5)
	require.InDeltaSlice(t, once, b.dev.Data(w.Grad()), 1e-15)
	b.noLeaks(w, x, g)
}
