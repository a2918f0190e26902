package cuda

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/devicetest"
	"voxgrad/internal/rng"
)

var convolutions = []string{"Conv", "ConvGradX", "ConvGradW", "ConvT", "ConvTGradX", "ConvTGradW", "ReLUGrad", "Copy", "NonFinite"}

// The order of the blocks must not show in any bit.
func TestConvBlockOrder(t *testing.T) {
	_, a := onEmulator(t, []emu.Option{emu.Threads(1), emu.SkipRaces()})
	_, b := onEmulator(t, []emu.Option{emu.ShuffleBlocks(3), emu.Threads(3), emu.SkipRaces()})
	for _, c := range casesOf(devicetest.Options{}, convolutions...) {
		require.NoError(t, c.SameBits(a, b))
	}
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// Every tile's kernels, with more than one tile along rows, columns and shares.
func TestConvTiles(t *testing.T) {
	w := newTwin(t)
	into := func(t device.Tensor, m device.Mode) device.Into { return device.Into{Tensor: t, Mode: m} }
	for _, g := range []struct {
		x    device.Shape
		cout int
		win  device.ConvParams
	}{
		{device.Shape{N: 1, D: 3, H: 7, W: 9, C: 12}, 96, device.Conv3x3x3},
		{device.Shape{N: 2, D: 2, H: 5, W: 7, C: 4}, 192, device.Conv3x3x3},
		{device.Shape{N: 1, D: 5, H: 6, W: 7, C: 20}, 144, device.ConvParams{K: 1, Stride: 1}},
		{device.Shape{N: 1, D: 7, H: 8, W: 9, C: 8}, 4, device.Conv3x3x3},
		{device.Shape{N: 1, D: 7, H: 8, W: 9, C: 3}, 4, device.Conv3x3x3},
		{device.Shape{N: 1, D: 6, H: 7, W: 9, C: 5}, 50, device.ConvParams{K: 2, Stride: 2}},
		{device.Shape{N: 1, D: 4, H: 3, W: 4, C: 2}, 300, device.ConvParams{K: 1, Stride: 1}},
	} {
		for _, transposed := range []bool{false, true} {
			name := fmt.Sprintf("%v→%d %+v transposed %v", g.x, g.cout, g.win, transposed)
			ys := g.win.Out(g.x, g.cout)
			if transposed {
				if ys = g.win.OutT(g.x, g.cout); g.win.Stride > 1 {
					g.x.D, g.x.H, g.x.W = g.x.D/2, g.x.H/2, g.x.W/2
					ys = g.win.OutT(g.x, g.cout)
				}
			}
			ws := device.Weights(g.win.K, g.x.C, g.cout)
			// Results have size 1, but for dw and db.
			size := math.Sqrt(float64(ws.Len() / min(g.x.C, g.cout)))
			x, wt, bias, y := w.normal(g.x), w.values(ws, func() float64 { return w.draw.Normal() / size }), w.normal(device.Vec(g.cout)), w.normal(ys)
			dx, dw, db := w.normal(g.x), w.normal(ws), w.normal(device.Vec(g.cout))
			if transposed {
				w.b.ConvT(y.dev, x.dev, wt.dev, bias.dev, g.win)
				w.ref.ConvT(y.ref, x.ref, wt.ref, bias.ref, g.win)
			} else {
				w.b.Conv(y.dev, x.dev, wt.dev, bias.dev, g.win, device.ReLU)
				w.ref.Conv(y.ref, x.ref, wt.ref, bias.ref, g.win, device.ReLU)
			}
			w.near(y, 1e-5, "y of "+name)
			dy := w.normal(ys)
			if transposed {
				w.b.ConvTGradX(into(dx.dev, device.Add), dy.dev, wt.dev, g.win)
				w.ref.ConvTGradX(into(dx.ref, device.Add), dy.ref, wt.ref, g.win)
				w.b.ConvTGradW(into(dw.dev, device.Set), into(db.dev, device.Add), x.dev, dy.dev, g.win)
				w.ref.ConvTGradW(into(dw.ref, device.Set), into(db.ref, device.Add), x.ref, dy.ref, g.win)
			} else {
				w.b.ConvGradX(into(dx.dev, device.Add), dy.dev, wt.dev, g.win)
				w.ref.ConvGradX(into(dx.ref, device.Add), dy.ref, wt.ref, g.win)
				w.b.ConvGradW(into(dw.dev, device.Set), into(db.dev, device.Add), x.dev, dy.dev, g.win)
				w.ref.ConvGradW(into(dw.ref, device.Set), into(db.ref, device.Add), x.ref, dy.ref, g.win)
			}
			w.near(dx, 1e-5, "dx of "+name)
			w.near(dw, 1e-5, "dw of "+name)
			w.near(db, 1e-5, "db of "+name)
			for _, p := range []pair{x, wt, bias, y, dx, dw, db, dy} {
				w.b.Free(p.dev)
			}
		}
	}
	require.NoError(t, w.b.Close())
}

// A NaN must not vanish in the activation.
func TestConvReLUKeepsNaN(t *testing.T) {
	w := newTwin(t)
	s := device.Shape{N: 1, D: 2, H: 2, W: 2, C: 4}
	x, wt, y := w.normal(s), w.normal(device.Weights(1, 4, 4)), w.normal(s)
	w.b.Fill(wt.dev, float32(math.NaN()))
	w.b.Conv(y.dev, x.dev, wt.dev, device.Tensor{}, device.ConvParams{K: 1, Stride: 1}, device.ReLU)
	count := w.b.Alloc(device.Vec(2))
	w.b.Fill(count, 0)
	w.b.NonFinite(count, []device.Tensor{y.dev})
	got := make([]float32, 2)
	w.b.Download(got, count)
	require.Equal(t, float32(s.Len()), got[0])
	require.NoError(t, w.b.Close())
}

// Division by multiplication is exact for every number a kernel may divide.
func TestDividing(t *testing.T) {
	r := rng.New(1, "dividing")
	for range 200000 {
		d := 1 + int(r.Uint32()>>(1+r.Uint32()%31))
		v := dividing(d)
		for _, n := range []int{0, 1, d - 1, d, d + 1, 1<<31 - 1, int(r.Uint32() >> 1)} {
			if n >= 1<<31 {
				continue
			}
			got := n
			if v.mul != 0 {
				got = int(uint64(n) * uint64(v.mul) >> 32 >> v.shift)
			}
			if got != n/d {
				t.Fatalf("%d/%d: %d", n, d, got)
			}
		}
	}
}
