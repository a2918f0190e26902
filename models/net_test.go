package models_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
	"voxgrad/layers"
	"voxgrad/models"
)

// small is a network that is quick to build and run.
func small(kind, up string) models.Config {
	c := models.Default(kind)
	c.Width, c.Up = 2, up
	return c
}

func build(t *testing.T, dev device.Backend, c models.Config, seed uint64) *models.Net {
	t.Helper()
	net, err := models.New(dev, c, seed)
	require.NoError(t, err)
	return net
}

// noise are images for net that depend on nothing.
func noise(net *models.Net, s device.Shape) (x []*autograd.Var) {
	for i := range net.TimePoints() {
		v := make([]float32, s.Rows()*net.Cin)
		for j := range v {
			v[j] = float32((j*7919+i*104729)%1009) / 1009
		}
		x = append(x, upload(net.Device(), s.WithC(net.Cin), v))
	}
	return x
}

// The counts that the specification gives for the published width.
func TestParameterCounts(t *testing.T) {
	count := func(kind, up string, frozen bool) (trainable, all int) {
		dev := cpu.New()
		defer dev.Close()
		c := models.Default(kind)
		c.Up = up
		net := build(t, dev, c, 1)
		if frozen {
			net.FreezeEncoder()
		}
		return net.Count()
	}
	trainable, all := count(models.Segmenter, layers.Trilinear, false)
	require.InDelta(t, 7.07e6, all, 5e3)
	require.Equal(t, all, trainable)
	trainable, all = count(models.Detector, layers.Trilinear, true)
	require.InDelta(t, 14.69e6, trainable, 5e3)
	require.InDelta(t, 2.96e6, all-trainable, 5e3)
	_, trilinear := count(models.Generator, layers.Trilinear, false)
	_, transposed := count(models.Generator, layers.Transposed, false)
	ups := 0
	for _, c := range []int{16 * 24, 8 * 24, 4 * 24} {
		ups += c*c*8 + c
	}
	require.Equal(t, trilinear+ups, transposed)
}

// A parameter's numbers depend on the seed and its name alone: neither on the
// other layers nor on the device.
func TestInitialValues(t *testing.T) {
	numbers := func(dev device.Backend, c models.Config, seed uint64) map[string][]float64 {
		out := map[string][]float64{}
		for _, p := range build(t, dev, c, seed).Params() {
			out[p.Name] = values(dev, p.Tensor)
		}
		return out
	}
	a := numbers(ref.New[float64](), small(models.Segmenter, layers.Transposed), 1)
	b := numbers(cpu.New(), small(models.Detector, layers.Transposed), 1)
	require.Greater(t, len(b), len(a))
	for name := range a {
		require.Equal(t, a[name], b[name], name)
	}
	other := numbers(ref.New[float64](), small(models.Segmenter, layers.Transposed), 2)
	require.NotEqual(t, a["conv1.weight"], other["conv1.weight"])
	require.NotEqual(t, b["fuse2.weight"], b["conv6.weight"], "they have the same size")

	c := models.Default(models.Segmenter)
	c.Width = 8
	big := numbers(cpu.New(), c, 3)
	require.InDelta(t, 2.0/(27*64), variance(big["conv7.weight"]), 1e-4) // He: a ReLU follows
	require.InDelta(t, 1.0/64, variance(big["up2.weight"]), 1e-3)
	require.InDelta(t, 0, variance(big["bn8.weight"]), 1e-12)
	require.Equal(t, []float64{1, 0}, []float64{big["bn8.weight"][0], big["conv7.bias"][0]})
}

func variance(x []float64) float64 {
	var m, v float64
	for _, f := range x {
		m += f / float64(len(x))
	}
	for _, f := range x {
		v += (f - m) * (f - m) / float64(len(x))
	}
	return v
}

func TestModes(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := build(t, dev, small(models.Detector, layers.Trilinear), 1)
	x := noise(net, device.Shape{N: 1, D: 8, H: 16, W: 8})
	run := func(key uint64) []float64 {
		tape := autograd.New(dev, key)
		defer tape.Close()
		return values(dev, net.Forward(tape, x...).Tensor)
	}
	stats := func() (enc, dec []float64) {
		for _, b := range net.Buffers() {
			switch b.Name {
			case "bn2.running_mean":
				enc = values(dev, b.Tensor)
			case "fuse1_bn.running_mean":
				dec = values(dev, b.Tensor)
			}
		}
		return enc, dec
	}
	first := run(1)
	require.Equal(t, first, run(1), "the same key gives the same dropout")
	require.NotEqual(t, first, run(2))
	enc, dec := stats()
	require.NotZero(t, variance(enc))
	require.NotZero(t, variance(dec))

	net.SetMode(layers.Eval)
	require.Equal(t, run(1), run(2), "no dropout in evaluation")
	e, d := stats()
	require.Equal(t, enc, e)
	require.Equal(t, dec, d)

	net.FreezeEncoder()
	net.SetMode(layers.Train)
	require.Equal(t, run(1), run(2), "a frozen encoder has no dropout, and there is none elsewhere")
	e, d = stats()
	require.Equal(t, enc, e, "a frozen encoder keeps its statistics")
	require.NotEqual(t, dec, d)

	adam := net.Adam(1e-3)
	for _, m := range adam.Moments {
		require.NotRegexp(t, `^(conv[1-7]|bn[1-6])\.`, m.Name, "frozen parameters have no moments")
	}
	tape := autograd.New(dev, 1)
	defer tape.Close()
	y := net.Forward(tape, x...)
	tape.BackwardFrom(y, dev.Alloc(y.Shape))
	for _, p := range net.Params() {
		require.Equal(t, p.Trainable(), !p.Grad().None(), p.Name)
	}
}

// Two time points with one encoder draw different dropout.
func TestTimePointsDrawSeparately(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := build(t, dev, small(models.Detector, layers.Trilinear), 1)
	tape := autograd.New(dev, 1)
	defer tape.Close()
	x := noise(net, device.Shape{N: 1, D: 8, H: 8, W: 8})
	net.Forward(tape, x[0], x[0])
	require.Equal(t, rng.Key(1, "dropout", "dropout2", 2), tape.RandomKey("dropout", "dropout2"), "the layer has drawn twice")
}

func TestConfigErrors(t *testing.T) {
	for want, change := range map[string]func(*models.Config){
		`no model "unet"`:   func(c *models.Config) { c.Kind = "unet" },
		`no up "nearest"`:   func(c *models.Config) { c.Up = "nearest" },
		"width 0":           func(c *models.Config) { c.Width = 0 },
		"0 input channels":  func(c *models.Config) { c.Cin = 0 },
		"-1 output":         func(c *models.Config) { c.Cout = -1 },
		"at least 2 output": func(c *models.Config) { c.Cout = 1 },
		"dropout 1":         func(c *models.Config) { c.Dropout = 1 },
	} {
		c := models.Default(models.Segmenter)
		change(&c)
		_, err := models.New(cpu.New(), c, 1)
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, models.CheckGrid(64, 8, 24))
	require.ErrorContains(t, models.CheckGrid(64, 12, 64), "multiple of 8")
	require.Error(t, models.CheckGrid(0, 8, 8))
	dev := cpu.New()
	defer dev.Close()
	net := build(t, dev, small(models.Detector, layers.Trilinear), 1)
	tape := autograd.NewInference(dev)
	require.Panics(t, func() { net.Forward(tape, noise(net, device.Shape{N: 1, D: 8, H: 8, W: 8})[0]) })
	require.Panics(t, func() { net.Forward(tape, noise(net, device.Shape{N: 1, D: 8, H: 8, W: 9})...) })
}
