package autograd_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/rng"
)

// counting tells what was asked of a device.
type counting struct {
	device.Backend
	gradX, gradW []device.Mode
}

func (c *counting) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	c.gradX = append(c.gradX, dx.Mode)
	c.Backend.ConvGradX(dx, dy, w, win)
}

func (c *counting) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	c.gradW = append(c.gradW, dw.Mode, db.Mode)
	c.Backend.ConvGradW(dw, db, x, dy, win)
}

func TestOnlyWantedGradientsAreAskedFor(t *testing.T) {
	b := newBench(t)
	dev := &counting{Backend: b.dev}
	s := device.Shape{N: 1, D: 3, H: 3, W: 3, C: 2}
	x, w, bias := autograd.Input(b.leaf("x", s).Tensor), b.leaf("w", device.Weights(3, 2, 2)), b.leaf("b", device.Vec(2))
	seed := b.leaf("dy", s)
	run := func() {
		dev.gradX, dev.gradW = nil, nil
		tape := autograd.New(dev, 0)
		defer tape.Close()
		y := tape.Conv(x, w, bias, device.Conv3x3x3, device.ReLU)
		tape.BackwardFrom(tape.Conv(y, w, nil, device.Conv3x3x3, device.Linear), seed.Tensor)
	}
	run()
	require.Equal(t, []device.Mode{device.Set, device.Skip}, dev.gradX, "the image wants no gradient")
	require.Equal(t, []device.Mode{device.Set, device.Skip, device.Add, device.Set}, dev.gradW)

	w.SetWantsGrad(false)
	bias.ClearGrad()
	run()
	require.Equal(t, []device.Mode{device.Set, device.Skip}, dev.gradX)
	require.Equal(t, []device.Mode{device.Skip, device.Set}, dev.gradW, "of the bias alone")

	bias.SetWantsGrad(false)
	run()
	require.Empty(t, dev.gradX, "nothing upstream wants a gradient: nothing is recorded")
	require.Empty(t, dev.gradW)
}

func TestInferenceFreesAsItGoes(t *testing.T) {
	b := newBench(t)
	s := device.Shape{N: 1, D: 4, H: 4, W: 4, C: 2}
	x, w := b.leaf("x", s), b.leaf("w", device.Weights(3, 2, 2))
	gamma, beta, mean, variance := b.leaf("gamma", device.Vec(2)), b.leaf("beta", device.Vec(2)), b.leaf("mean", device.Vec(2)), b.leaf("var", device.Vec(2))
	b.dev.Fill(variance.Tensor, 1)
	before, _ := b.dev.Usage()
	b.dev.ResetPeak()
	tape := autograd.NewInference(b.dev)
	y := autograd.Input(x.Tensor)
	for range 5 {
		y = tape.Conv(y, w, nil, device.Conv3x3x3, device.ReLU)
		y = tape.BatchNormEval(y, gamma, beta, mean.Tensor, variance.Tensor, 1e-5)
	}
	now, peak := b.dev.Usage()
	one := int64(s.Len() * 8)
	require.Equal(t, before+one, now, "only the last result is left")
	require.Equal(t, before+2*one, peak, "a convolution has its input and its output, a norm works in place")
	require.False(t, y.WantsGrad())
	tape.Close()
	b.noLeaks(x, w, gamma, beta, mean, variance)
}

// A norm's gradient in x replaces the one in y: the reverse pass needs no second
// tensor of that size.
func TestNormHandsItsGradientOver(t *testing.T) {
	b := newBench(t)
	s := device.Shape{N: 1, D: 4, H: 4, W: 4, C: 2}
	x, w, dz := b.leaf("x", s), b.leaf("w", device.Weights(3, 2, 2)), b.leaf("dz", s)
	gamma, beta := b.leaf("gamma", device.Vec(2)), b.leaf("beta", device.Vec(2))
	tape := autograd.New(b.dev, 0)
	defer tape.Close()
	y := tape.Conv(autograd.Input(x.Tensor), w, nil, device.Conv3x3x3, device.Linear)
	z := tape.BatchNormTrain(y, gamma, beta, device.Tensor{}, device.Tensor{}, 1e-5, 0.1)
	forward, _ := b.dev.Usage()
	b.dev.ResetPeak()
	tape.BackwardFrom(z, dz.Tensor)
	_, peak := b.dev.Usage()
	require.EqualValues(t, 8*(s.Len()+2+2), peak-forward)
}

func TestMisuseIsCaught(t *testing.T) {
	b := newBench(t)
	x := b.leaf("x", device.Shape{N: 1, D: 2, H: 2, W: 2, C: 1})
	tape := autograd.New(b.dev, 0)
	defer tape.Close()
	y := tape.MaxPool(x)
	tape.Upsample(y)
	require.PanicsWithValue(t, "autograd: a result of maxpool, of shape [1 1 1 1 1], was used up by upsample: Hold it before passing it to two",
		func() { tape.Upsample(y) })
	require.Panics(t, func() { tape.Hold(y) })
	require.Panics(t, func() { tape.Release(y) })
	require.Panics(t, func() { tape.Softmax(tape.Upsample(x)) })
	require.Panics(t, func() { tape.Backward(tape.Upsample(x)) })
	require.Panics(t, func() { tape.Upsample(x).SetWantsGrad(false) })
}

func TestTraceNamesTheFirstBadOp(t *testing.T) {
	b := newBench(t)
	s := device.Shape{N: 1, D: 2, H: 2, W: 2, C: 1}
	x, w := b.leaf("x", s), b.leaf("conv2.weight", device.Weights(3, 1, 1))
	one := b.leaf("conv1.weight", device.Weights(3, 1, 1))
	run := func(upstream float32) string {
		tape := autograd.New(b.dev, 0)
		defer tape.Close()
		tape.Trace()
		y := tape.At("conv1").Conv(x, one, nil, device.Conv3x3x3, device.Linear)
		y = tape.At("conv2").Conv(y, w, nil, device.Conv3x3x3, device.Linear)
		y = tape.Upsample(y)
		seed := b.dev.Alloc(y.Shape)
		defer b.dev.Free(seed)
		b.dev.Fill(seed, upstream)
		tape.BackwardFrom(y, seed)
		x.ClearGrad()
		w.ClearGrad()
		one.ClearGrad()
		return tape.NonFinite()
	}
	require.Empty(t, run(1))
	require.Equal(t, "gradient of argument 1 in upsample after conv2: 8 of 8 values are NaN or infinite", run(float32(math.Inf(1))))
	b.dev.Data(w.Tensor)[13] = math.Inf(1)
	require.Equal(t, "output of conv at conv2: 8 of 8 values are NaN or infinite", run(1))
	b.dev.Data(one.Tensor)[13] = math.NaN()
	require.Contains(t, run(1), "output of conv at conv1: 8 of 8")
	require.Empty(t, autograd.New(b.dev, 0).NonFinite(), "without Trace nothing is looked at")
}

func TestRandomKeys(t *testing.T) {
	dev := newBench(t).dev
	tape := autograd.New(dev, 5)
	first, second := tape.RandomKey("dropout", "a"), tape.RandomKey("dropout", "a")
	require.NotEqual(t, first, second, "a layer that runs twice draws twice")
	require.Equal(t, rng.Key(5, "dropout", "a", 1), second)
	require.Equal(t, rng.Key(5, "dropout", "b", 0), tape.RandomKey("dropout", "b"), "other layers do not matter")
	again := autograd.New(dev, 5)
	require.Equal(t, first, again.RandomKey("dropout", "a"))
	require.NotEqual(t, first, autograd.New(dev, 6).RandomKey("dropout", "a"))
}
