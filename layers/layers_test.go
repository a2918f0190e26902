package layers

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/ref"
)

var grid = device.Shape{N: 2, D: 3, H: 4, W: 5, C: 2}

func image(dev *ref.Backend[float64]) *autograd.Var {
	x := dev.Alloc(grid)
	for i := range dev.Data(x) {
		dev.Data(x)[i] = float64(i%7) - 2.5
	}
	return autograd.Input(x)
}

// In training a norm's output has mean 0 and variance 1, and the running
// statistics move by a tenth; in evaluation they are what is used.
func TestNormModes(t *testing.T) {
	dev := ref.New[float64]()
	var mode Mode
	net := NewNet(dev)
	n := NewBatchNorm(net.Scope(&mode).In("bn"), 2)
	net.Init(1)
	x := image(dev)
	stats := func(y device.Tensor, c int) (mean, variance float64) {
		m := float64(y.Rows())
		for i := c; i < y.Len(); i += 2 {
			mean += dev.Data(y)[i] / m
		}
		for i := c; i < y.Len(); i += 2 {
			d := dev.Data(y)[i] - mean
			variance += d * d / m
		}
		return mean, variance
	}
	tape := autograd.New(dev, 0)
	defer tape.Close()
	y := n.Forward(tape, x)
	for c := range 2 {
		mean, variance := stats(y.Tensor, c)
		require.InDelta(t, 0, mean, 1e-12)
		require.InDelta(t, 1, variance, 1e-4)
		xm, xv := stats(x.Tensor, c)
		rows := float64(x.Rows())
		require.InDelta(t, 0.1*xm, dev.Data(n.runMean)[c], 1e-8)
		require.InDelta(t, 0.9+0.1*xv*rows/(rows-1), dev.Data(n.runVar)[c], 1e-8)
	}
	for _, mode = range []Mode{Eval, Frozen} {
		before := append([]float64(nil), dev.Data(n.runMean)...)
		y = n.Forward(tape, x)
		require.Equal(t, before, dev.Data(n.runMean), mode)
		want := (dev.Data(x.Tensor)[1] - before[1]) / math.Sqrt(dev.Data(n.runVar)[1]+1e-5)
		require.InDelta(t, want, dev.Data(y.Tensor)[1], 1e-7, mode)
	}
}

func TestDropoutModes(t *testing.T) {
	dev := ref.New[float64]()
	mode := Train
	s := NewNet(dev).Scope(&mode)
	x := image(dev)
	d := NewDropout(s.In("drop"), 0.5)
	run := func(d *Dropout, key uint64) []float64 {
		tape := autograd.New(dev, key)
		defer tape.Close()
		return append([]float64(nil), dev.Data(d.Forward(tape, x).Tensor)...)
	}
	once := run(d, 1)
	require.Equal(t, once, run(d, 1))
	require.NotEqual(t, once, run(d, 2), "another step")
	require.NotEqual(t, once, run(NewDropout(s.In("other"), 0.5), 1), "another layer")
	kept := 0
	for i, v := range once {
		if v != 0 {
			kept++
			require.Equal(t, 2*dev.Data(x.Tensor)[i], v)
		}
	}
	require.InDelta(t, 0.5, float64(kept)/float64(len(once)), 0.15)
	require.Equal(t, dev.Data(x.Tensor), run(NewDropout(s.In("none"), 0), 1))
	for _, mode = range []Mode{Eval, Frozen} {
		require.Equal(t, dev.Data(x.Tensor), run(d, 1), mode)
	}
}

func TestUpKinds(t *testing.T) {
	dev := ref.New[float64]()
	var mode Mode
	net := NewNet(dev)
	tape := autograd.NewInference(dev)
	defer tape.Close()
	for _, kind := range []string{Transposed, Trilinear} {
		up := NewUp(net.Scope(&mode).In(kind), kind, 2)
		net.Init(1)
		require.Equal(t, device.Shape{N: 2, D: 6, H: 8, W: 10, C: 2}, up.Forward(tape, image(dev)).Shape)
	}
	require.Len(t, net.Params, 2, "trilinear has no weights")
	require.Panics(t, func() { NewUp(net.Scope(&mode), "nearest", 2) })
	require.PanicsWithValue(t, "layers: two parameters are called transposed.weight", func() {
		NewUp(net.Scope(&mode).In(Transposed), Transposed, 2)
	})
}

func TestFuseIsNormThenConv(t *testing.T) {
	dev := ref.New[float64]()
	mode := Eval
	net := NewNet(dev)
	f := NewFuse(net.Scope(&mode), "fuse1", 2)
	net.Init(1)
	var names []string
	for _, p := range net.Params {
		names = append(names, p.Name)
	}
	require.Equal(t, []string{"fuse1_bn.weight", "fuse1_bn.bias", "fuse1.weight", "fuse1.bias"}, names)
	tape := autograd.NewInference(dev)
	defer tape.Close()
	y := f.Forward(tape, image(dev), image(dev))
	require.Equal(t, grid, y.Shape)
	for _, v := range dev.Data(y.Tensor) {
		require.GreaterOrEqual(t, v, 0.0)
	}
}

// Only parameters that a gradient has reached move; frozen ones have no moments.
func TestAdam(t *testing.T) {
	dev := ref.New[float64]()
	var mode Mode
	net := NewNet(dev)
	s := net.Scope(&mode)
	used := NewConv(s.In("used"), 2, 2, device.Linear)
	frozen := NewConv(s.In("frozen"), 2, 2, device.Linear)
	idle := NewConv(s.In("idle"), 2, 2, device.Linear)
	net.Init(1)
	frozen.w.SetWantsGrad(false)
	frozen.b.SetWantsGrad(false)
	trainable, all := net.Count()
	require.Equal(t, []int{2 * 110, 3 * 110}, []int{trainable, all})
	adam := NewAdam(net, 0.125)
	require.Len(t, adam.Moments, 4)

	data := func(v *autograd.Var) []float64 { return append([]float64(nil), dev.Data(v.Tensor)...) }
	b, f, i := data(used.b), data(frozen.w), data(idle.w)
	tape := autograd.New(dev, 0)
	y := frozen.Forward(tape, used.Forward(tape, image(dev)))
	tape.Backward(tape.MSE(y, image(dev)))
	tape.Close()
	g := append([]float64(nil), dev.Data(used.b.Grad())...)
	adam.Update()
	require.Equal(t, 1, adam.Step)
	for c := range b { // the first step has length lr, whatever the gradient
		want := b[c] - 0.125*g[c]/(math.Abs(g[c])+1e-8)
		require.InDelta(t, want, dev.Data(used.b.Tensor)[c], 1e-9)
	}
	require.Equal(t, f, data(frozen.w))
	require.Equal(t, i, data(idle.w))
	adam.Free()
	net.Free()
}
