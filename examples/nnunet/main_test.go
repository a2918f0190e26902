package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/autograd/gradcheck"
	"voxgrad/cuda"
	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/device/ref"
)

func emulator(t *testing.T) device.Backend {
	dev, err := cuda.New(emu.New())
	require.NoError(t, err)
	return dev
}

// The same network, weights and images as PyTorch, on three devices.
func TestMeetsPyTorch(t *testing.T) {
	for _, c := range []struct {
		dev   device.Backend
		bound far
	}{
		{ref.New[float64](), far{output: 1e-6, gradient: 1e-5, loss: 1e-6}},
		{cpu.New(), far{output: 1e-5, gradient: 1e-4, loss: 1e-5}},
		{emulator(t), far{output: 1e-5, gradient: 1e-4, loss: 1e-5}},
	} {
		f, err := compare(c.dev)
		require.NoError(t, err, c.dev.Name())
		t.Logf("%s: %+v", c.dev.Name(), f)
		require.LessOrEqual(t, f.output, c.bound.output, c.dev.Name())
		require.LessOrEqual(t, f.gradient, c.bound.gradient, c.dev.Name())
		require.LessOrEqual(t, f.loss, c.bound.loss, c.dev.Name())
		now, _ := c.dev.Usage()
		require.Zero(t, now, "everything is given back")
	}
}

// The ops by themselves, in float64 and on the GPU's kernels.
func TestGradients(t *testing.T) {
	s := device.Shape{N: 3, D: 2, H: 3, W: 4, C: 2}
	for _, dev := range []device.Backend{ref.New[float64](), cpu.New(), emulator(t)} {
		leaf := func(name string, s device.Shape, seed int) *autograd.Var {
			v := make([]float32, s.Len())
			for i := range v {
				v[i] = float32((i*7919+seed)%101)/50 - 0.995
			}
			x := autograd.Parameter(name, dev.Alloc(s))
			dev.Upload(x.Tensor, v)
			return x
		}
		x, gamma, beta := leaf("x", s, 1), leaf("gamma", device.Vec(2), 80), leaf("beta", device.Vec(2), 30)
		opt := gradcheck.Options{Elements: 8, Directions: 1}
		require.NoError(t, gradcheck.Check(dev, func(t *autograd.Tape) *autograd.Var {
			return instanceNorm(t, x, gamma, beta, 1e-5)
		}, []*autograd.Var{x, gamma, beta}, opt), dev.Name())
		require.NoError(t, gradcheck.Check(dev, func(t *autograd.Tape) *autograd.Var {
			return leakyReLU(t, t.Concat(x, x), 0.01) // a result, which it may overwrite
		}, []*autograd.Var{x}, opt), dev.Name())
	}
}
