package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/autograd/gradcheck"
	"voxgrad/cuda"
	"voxgrad/cuda/emu"
	"voxgrad/device"
)

// onEmulator refuses what a GPU would silently do: accesses outside a tensor, of values nobody wrote, races.
func onEmulator(t testing.TB) (*cuda.Backend, *Ops) {
	dev, err := cuda.New(emu.New(emu.BlockRaces()), cuda.WithoutPool())
	require.NoError(t, err)
	ops, err := New(dev)
	require.NoError(t, err)
	return dev, ops
}

func normal(dev device.Backend, s device.Shape, seed uint64) (device.Tensor, []float32) {
	draw, v := rand.New(rand.NewPCG(seed, 0)), make([]float32, s.Len())
	for i := range v {
		v[i] = float32(draw.NormFloat64())
	}
	x := dev.Alloc(s)
	dev.Upload(x, v)
	return x, v
}

// The op and its reverse step against a plain loop in float64.
func TestConformance(t *testing.T) {
	for _, s := range []device.Shape{{N: 1, D: 1, H: 1, W: 1, C: 1}, {N: 2, D: 3, H: 5, W: 7, C: 3}, {N: 1, D: 4, H: 9, W: 8, C: 33}, {N: 2, D: 11, H: 30, W: 30, C: 2}} {
		dev, ops := onEmulator(t)
		xt, x := normal(dev, s, 1)
		at, a := normal(dev, device.Vec(s.C), 2)
		dyt, dy := normal(dev, s, 3)
		vx, va := autograd.Parameter("x", xt), autograd.Parameter("a", at)
		y, dx, da := make([]float64, len(x)), make([]float64, len(x)), make([]float64, s.C)
		for i, v := range x {
			c := i % s.C
			if y[i], dx[i] = float64(v), float64(dy[i]); v <= 0 {
				y[i] *= float64(a[c])
				dx[i] *= float64(a[c])
				da[c] += float64(dy[i]) * float64(v)
			}
		}
		check := func(name string, got device.Tensor, want []float64, times, bound float64) {
			have := make([]float32, got.Len())
			dev.Download(have, got)
			require.NoError(t, dev.Sync())
			for i, w := range want {
				require.InDelta(t, times*w, have[i], bound, "%s of %v, element %d", name, s, i)
			}
		}
		for pass := 1; pass <= 2; pass++ { // the second adds to the gradients of the first
			tape := autograd.New(dev, 0)
			out := tape.Hold(ops.PReLU(tape, vx, va))
			check("y", out.Tensor, y, 1, 1e-6)
			tape.BackwardFrom(out, dyt)
			check("dx", vx.Grad(), dx, float64(pass), 1e-6)
			check("da", va.Grad(), da, float64(pass), 1e-6*float64(s.Rows()))
			tape.Close()
		}
		for _, v := range []*autograd.Var{vx, va} {
			v.FreeGrad(dev)
			dev.Free(v.Tensor)
		}
		dev.Free(dyt)
		now, _ := dev.Usage()
		require.Zero(t, now, "bytes in use")
		require.NoError(t, dev.Close())
	}
}

// The reverse step against central differences, and its manners: modes, a second pass, inputs left alone.
func TestGradients(t *testing.T) {
	dev, ops := onEmulator(t)
	s := device.Shape{N: 2, D: 2, H: 3, W: 4, C: 5}
	xt, v := normal(dev, s, 4)
	for i := range v { // off the kink at 0
		v[i] += float32(math.Copysign(0.1, float64(v[i])))
	}
	dev.Upload(xt, v)
	at, _ := normal(dev, device.Vec(s.C), 5)
	x, a := autograd.Parameter("x", xt), autograd.Parameter("a", at)
	require.NoError(t, gradcheck.Check(dev, func(t *autograd.Tape) *autograd.Var { return ops.PReLU(t, x, a) },
		[]*autograd.Var{x, a}, gradcheck.Options{}))
}

func TestRun(t *testing.T) { require.NoError(t, run()) }

// Built with the tag cuda, where there is a GPU, this is its time; else the emulator's.
func BenchmarkPReLU(b *testing.B) {
	dev, err := open()
	require.NoError(b, err)
	ops, err := New(dev)
	require.NoError(b, err)
	s := device.Shape{N: 1, D: 16, H: 16, W: 16, C: 16}
	x, _ := normal(dev, s, 1)
	a, _ := normal(dev, device.Vec(s.C), 2)
	y := dev.Alloc(s)
	b.SetBytes(8 * int64(s.Len()))
	for b.Loop() {
		ops.forward(y, x, a)
	}
	require.NoError(b, dev.Sync())
}
