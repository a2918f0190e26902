package layers

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/ref"
)

var same = ConvOptions{ConvParams: device.Conv3x3x3}

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
	net := NewNet(dev)
	n := NewBatchNorm(net.Scope().In("bn"), 2)
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
	for _, mode := range []Mode{Eval, Frozen} {
		net.SetMode(mode)
		before := append([]float64(nil), dev.Data(n.runMean)...)
		y = n.Forward(tape, x)
		require.Equal(t, before, dev.Data(n.runMean), mode)
		want := (dev.Data(x.Tensor)[1] - before[1]) / math.Sqrt(dev.Data(n.runVar)[1]+1e-5)
		require.InDelta(t, want, dev.Data(y.Tensor)[1], 1e-7, mode)
	}
}

// An instance norm's output has mean 0 and variance 1 in each sample, in every mode, and a convolution behind it
// is that of the normalised tensor.
func TestInstanceNorm(t *testing.T) {
	dev := ref.New[float64]()
	net := NewNet(dev)
	n := NewNorm(Instance, net.Scope().In("norm"), 2)
	conv := NewConv(net.Scope().In("conv"), 2, 3, same)
	net.Init(1)
	require.Empty(t, net.Buffers())
	require.Len(t, net.Params(), 4)
	x := image(dev)
	half := x.Len() / 2
	for i := range half { // the second sample of another scale
		dev.Data(x.Tensor)[half+i] = 3*dev.Data(x.Tensor)[i]*float64(i%5) + 10
	}
	for _, mode := range []Mode{Train, Eval, Frozen} {
		net.SetMode(mode)
		tape := autograd.New(dev, 0)
		y := n.Forward(tape, x)
		for sample := range 2 {
			for c := range 2 {
				sum, squares := 0.0, 0.0
				for i := c; i < half; i += 2 {
					v := dev.Data(y.Tensor)[sample*half+i]
					sum, squares = sum+v, squares+v*v
				}
				require.InDelta(t, 0, sum, 1e-9, mode)
				require.InDelta(t, 1, squares/float64(half/2), 1e-4, mode)
			}
		}
		want := conv.Forward(tape, y)
		got := NewCatConv(nil, n, conv).Forward(tape, x)
		require.InDeltaSlice(t, dev.Data(want.Tensor), dev.Data(got.Tensor), 1e-9, mode)
		tape.Close()
	}
}

func TestDropoutModes(t *testing.T) {
	dev := ref.New[float64]()
	net := NewNet(dev)
	s := net.Scope()
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
	for _, mode := range []Mode{Eval, Frozen} {
		net.SetMode(mode)
		require.Equal(t, dev.Data(x.Tensor), run(d, 1), mode)
	}
}

func TestUpKinds(t *testing.T) {
	dev := ref.New[float64]()
	net := NewNet(dev)
	tape := autograd.NewInference(dev)
	defer tape.Close()
	for _, kind := range []string{Transposed, Trilinear} {
		up := NewUp(net.Scope().In(kind), kind, 2)
		net.Init(1)
		require.Equal(t, device.Shape{N: 2, D: 6, H: 8, W: 10, C: 2}, up.Forward(tape, image(dev)).Shape)
	}
	require.Len(t, net.Params(), 2, "trilinear has no weights")
	require.Panics(t, func() { NewUp(net.Scope(), "nearest", 2) })
	require.PanicsWithValue(t, "layers: two parameters are called transposed.weight", func() {
		NewUp(net.Scope().In(Transposed), Transposed, 2)
	})
}

// Only parameters that a gradient has reached move; frozen ones have no moments.
func TestAdam(t *testing.T) {
	dev := ref.New[float64]()
	net := NewNet(dev)
	s := net.Scope()
	used := NewConv(s.In("used"), 2, 2, same)
	frozen := NewConv(s.In("frozen"), 2, 2, same)
	idle := NewConv(s.In("idle"), 2, 2, same)
	net.Init(1)
	frozen.w.SetWantsGrad(false)
	frozen.b.SetWantsGrad(false)
	trainable, all := net.Count()
	require.Equal(t, []int{2 * 110, 3 * 110}, []int{trainable, all})
	adam := NewAdam(net.Device(), net.Params(), 0.125)
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

// Any window, with and without bias, on PyTorch's formula of the result's shape.
func TestConvWindows(t *testing.T) {
	dev := ref.New[float64]()
	tape := autograd.NewInference(dev)
	defer tape.Close()
	for _, c := range []struct {
		o    ConvOptions
		want device.Shape
	}{
		{ConvOptions{ConvParams: device.ConvParams{K: 1}}, grid.WithC(4)},
		{ConvOptions{ConvParams: device.ConvParams{K: 3, Stride: 2, Pad: 1}, NoBias: true}, device.Shape{N: 2, D: 2, H: 2, W: 3, C: 4}},
		{ConvOptions{ConvParams: device.ConvParams{K: 2}, Act: device.ReLU}, device.Shape{N: 2, D: 2, H: 3, W: 4, C: 4}},
	} {
		net := NewNet(dev)
		conv := NewConv(net.Scope().In("conv"), 2, 4, c.o)
		net.Init(1)
		require.Len(t, net.Params(), map[bool]int{true: 1, false: 2}[c.o.NoBias])
		require.Equal(t, c.want, conv.Forward(tape, image(dev)).Shape)
		gain := 1.0
		if c.o.Act == device.ReLU {
			gain = 2
		}
		var variance float64
		for _, v := range dev.Data(conv.w.Tensor) {
			variance += v * v / float64(conv.w.Len())
		}
		fanIn := float64(2 * c.o.K * c.o.K * c.o.K)
		require.InEpsilon(t, gain/fanIn, variance, 1, "He's variance, roughly: there are few weights")
	}
	net := NewNet(dev)
	up := NewConvT(net.Scope().In("up"), 2, 3, ConvOptions{ConvParams: device.ConvParams{K: 4, Stride: 2, Pad: 1}, NoBias: true, Weights: Constant(1)})
	net.Init(1)
	require.Equal(t, device.Shape{N: 2, D: 6, H: 8, W: 10, C: 3}, up.Forward(tape, image(dev)).Shape)
	require.Equal(t, "up.weight [2 3 4 4 4]", net.Params()[0].String())
	require.Equal(t, 1.0, dev.Data(net.Params()[0].Tensor)[7])
	require.PanicsWithValue(t, "layers: none: kernel 0, stride 1, padding 0 is no convolution", func() { NewConv(net.Scope().In("none"), 1, 1, ConvOptions{}) })
	require.Panics(t, func() { NewConvT(net.Scope(), 1, 1, ConvOptions{ConvParams: device.ConvT2x2x2, Act: device.ReLU}) })
}

// A layer of another package makes what it needs itself, and follows its own mode.
func TestParametersOfOnesOwn(t *testing.T) {
	dev := ref.New[float64]()
	net := NewNet(dev)
	mode := Frozen
	s := net.Scope().In("block").Follow(&mode)
	w := s.Param("scale", device.Shape{N: 1, D: 2, H: 1, W: 1, C: 3}, Dense, func(v []float32, random Random) {
		for i := range v {
			v[i] = float32(random.Float64())
		}
	})
	b := s.Buffer("seen", device.Vec(2), Vector, Constant(7))
	net.Init(3)
	net.SetMode(Eval)
	require.Equal(t, []Mode{Frozen, Eval}, []Mode{s.Mode(), net.Mode()})
	require.Equal(t, "block", s.Path())
	require.Equal(t, "block.scale [1 2 1 1 3]", net.Params()[0].String())
	require.Equal(t, "block.seen", net.Buffers()[0].Name)
	require.Equal(t, []float64{7, 7}, dev.Data(b))
	first := append([]float64(nil), dev.Data(w.Tensor)...)
	for _, v := range first {
		require.True(t, v >= 0 && v < 1)
	}
	net.Init(4)
	require.NotEqual(t, first, dev.Data(w.Tensor))
	net.Init(3)
	require.Equal(t, first, dev.Data(w.Tensor))
	require.Panics(t, func() { s.Param("vector", device.Weights(3, 1, 1), Vector, Constant(0)) })
	require.Panics(t, func() { s.Buffer("scale", device.Vec(1), Vector, Constant(0)) }, "the name is taken")
	x := []float32{1, 2, 3, 4, 5, 6}
	require.Equal(t, x, Dense.FromFile(Dense.ToFile(x, w.Shape), w.Shape))
}
