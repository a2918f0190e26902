package cuda

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/devicetest"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
)

// The formats as rounding of float32: bf16 to the nearest, ties to even; tf32 to the nearest, ties away from zero.
func toBF16(v float32) float32 {
	u := math.Float32bits(v)
	return math.Float32frombits((u + 0x7fff + u>>16&1) &^ 0xffff)
}

func toTF32(v float32) float32 { return math.Float32frombits((math.Float32bits(v) + 0x1000) &^ 0x1fff) }

// onTensorCores are the precisions and how each is judged.
var onTensorCores = []struct {
	precision Precision
	opt       devicetest.Options
}{
	{BF16, devicetest.Options{Conv: devicetest.BFloat16, Operand: toBF16}},
	{TF32, devicetest.Options{Conv: devicetest.TF32, Operand: toTF32}},
}

var sizes = regexp.MustCompile(`c(\d+)→(\d+)/k([1234])`)

// onCores are the cases of convolutions that are made for tensor cores; the others are what they are in fp32.
func onCores(opt devicetest.Options, methods ...string) []devicetest.Case {
	return slices.DeleteFunc(casesOf(opt, methods...), func(c devicetest.Case) bool {
		m := sizes.FindStringSubmatch(c.Name)
		if m == nil { // CatConv
			return !strings.Contains(c.Name, "→24") && !strings.Contains(c.Name, "→17") && !strings.Contains(c.Name, "→10") && !strings.Contains(c.Name, "17→8")
		}
		ci, _ := strconv.Atoi(m[1])
		co, _ := strconv.Atoi(m[2])
		return min(ci, co) < mmaLeast
	})
}

func emulatedCores(t testing.TB, p Precision, opts ...emu.Option) (*emu.Device, *Backend) {
	return onEmulator(t, append(opts, emu.ComputeCapability(80)), WithoutPool(), WithPrecision(p))
}

var products = []string{"Conv", "ConvGradX", "ConvGradW", "ConvT", "ConvTGradX", "ConvTGradW", "CatConvStats", "CatConv", "CatConvGrad"}

// forManyBlocks are the products for grids that have blocks enough, which those of the table have not: TestTensorCoreWholeSums has them.
func forManyBlocks(p Precision) []string {
	return []string{fmt.Sprintf("mma_%v_96", p), fmt.Sprintf("mma_%v_48", p)}
}

// Every convolution of the table against float64, and the methods of device.Conv against float64 on rounded operands within
// the bounds of float32.
func TestTensorCoreConformance(t *testing.T) {
	for _, k := range onTensorCores {
		t.Run(k.precision.String(), func(t *testing.T) {
			d, b := emulatedCores(t, k.precision, emu.BlockRaces())
			worst, at := 0.0, ""
			note := conformance.in(k.precision.String())
			for _, c := range onCores(k.opt, products...) {
				rep, err := c.Check(b)
				require.NoError(t, err)
				note(c, rep)
				if rep.Bound > 0 && rep.MaxErr/rep.Bound > worst {
					worst, at = rep.MaxErr/rep.Bound, fmt.Sprintf("%s, %s, NMSE %.2g", c.Name, rep.What, rep.NMSE)
				}
			}
			t.Logf("largest error %.2f of its bound: %s", worst, at)
			conformance.log(t)
			var launched []string
			for name := range d.Stats() {
				launched = append(launched, name)
			}
			for _, name := range entries(t) {
				if strings.HasPrefix(name, "mma_") && strings.Contains(name, k.precision.String()) && !slices.Contains(forManyBlocks(k.precision), name) {
					require.Contains(t, launched, name)
				}
			}
			require.NoError(t, b.Close())
		})
	}
}

// A block that goes through all chunks of channels and planes of a window, or through all tiles of a gradient of weights, by itself, as in grids
// that have blocks enough.
func TestTensorCoreWholeSums(t *testing.T) {
	for _, k := range onTensorCores {
		d, b := emulatedCores(t, k.precision, emu.BlockRaces())
		b.opt.blocks, b.opt.spread = 1, 1
		n := 0
		for _, c := range onCores(k.opt, "Conv", "ConvGradX", "ConvTGradX", "ConvT", "ConvGradW", "ConvTGradW") {
			lines := strings.Contains(c.Name, "x40/") && strings.HasPrefix(c.Name, "ConvGradW") // three tiles
			if strings.Contains(c.Name, "/relu") || !strings.Contains(c.Name, "96") && !strings.Contains(c.Name, "c48→") && !lines {
				continue
			}
			n++
			_, err := c.Check(b)
			require.NoError(t, err)
		}
		require.GreaterOrEqual(t, n, 6)
		require.Zero(t, d.Stats()["mma_finish"].Launches)
		for _, name := range forManyBlocks(k.precision) {
			require.NotZero(t, d.Stats()[name].Launches, name)
		}
		require.NoError(t, b.Close())
	}
}

// Neither the order of the blocks nor another run shows in any bit.
func TestTensorCoreBlockOrder(t *testing.T) {
	for _, k := range onTensorCores {
		_, a := emulatedCores(t, k.precision, emu.Threads(1), emu.SkipRaces())
		_, b := emulatedCores(t, k.precision, emu.ShuffleBlocks(3), emu.Threads(3), emu.SkipRaces())
		for i, c := range onCores(k.opt, products[:6]...) {
			if i%4 == 0 || strings.Contains(c.Name, "/k4") {
				require.NoError(t, c.SameBits(a, b))
			}
		}
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	}
}

// Several boxes, tiles and samples, each with its tail; operands need no rounding here, so that the bounds are those of float32.
func TestTensorCoreTiles(t *testing.T) {
	for _, k := range onTensorCores {
		_, b := emulatedCores(t, k.precision)
		b.opt.spread = 6 // several tiles a share
		w := &twin{t, b, ref.New[float64](), rng.New(1, t.Name())}
		normal := func(s device.Shape) pair {
			return w.values(s, func() float64 { return float64(k.opt.Operand(float32(w.draw.Normal()))) })
		}
		into := func(t device.Tensor, m device.Mode) device.Into { return device.Into{Tensor: t, Mode: m} }
		for _, g := range []struct {
			x    device.Shape
			cout int
			win  device.ConvParams
		}{
			{device.Shape{N: 2, D: 5, H: 5, W: 17, C: 9}, 8, device.Conv3x3x3},                           // boxes of 16×4×4, odd channels
			{device.Shape{N: 1, D: 5, H: 9, W: 8, C: 8}, 10, device.Conv3x3x3},                           // of 8×8×4
			{device.Shape{N: 1, D: 9, H: 8, W: 3, C: 8}, 8, device.ConvParams{K: 3, Stride: 1}},          // of 4×8×8, no padding
			{device.Shape{N: 1, D: 2, H: 3, W: 17, C: 56}, 49, device.ConvParams{K: 1, Stride: 1}},       // chunks and columns with tails
			{device.Shape{N: 2, D: 9, H: 9, W: 35, C: 8}, 9, device.ConvParams{K: 2, Stride: 2}},         // phases and classes
			{device.Shape{N: 1, D: 7, H: 9, W: 19, C: 8}, 8, device.ConvParams{K: 3, Stride: 2, Pad: 1}}, // of unequal windows
			{device.Shape{N: 1, D: 3, H: 3, W: 3, C: 8}, 8, device.ConvParams{K: 3, Stride: 1, Pad: 2}},  // more padding than voxels beside
			{device.Shape{N: 1, D: 5, H: 5, W: 9, C: 8}, 8, device.ConvParams{K: 2, Stride: 3}},          // voxels that nothing reaches
			{device.Shape{N: 2, D: 7, H: 11, W: 35, C: 9}, 8, device.CompositeWindow},                    // positions of one parity a block
			{device.Shape{N: 1, D: 3, H: 4, W: 9, C: 56}, 49, device.CompositeWindow},                    // several blocks of channels
			{device.Shape{N: 1, D: 7, H: 8, W: 9, C: 8}, 9, device.ConvParams{K: 5, Stride: 3, Pad: 1}},  // positions beyond the window
			{device.Shape{N: 1, D: 5, H: 6, W: 9, C: 8}, 9, device.ConvParams{K: 5, Stride: 2, Pad: 2}},  // three of a remainder an axis, in planes
			{device.Shape{N: 1, D: 5, H: 8, W: 9, C: 8}, 9, device.ConvParams{K: 4, Stride: 4}},          // one of a remainder
		} {
			for _, transposed := range []bool{false, true} {
				name := fmt.Sprintf("%v: %v→%d %+v transposed %v", k.precision, g.x, g.cout, g.win, transposed)
				xs, ys := g.x, g.win.Out(g.x, g.cout)
				if transposed {
					xs, ys = ys.WithC(g.x.C), g.win.OutT(ys, g.cout)
				}
				ws, v := device.Weights(g.win.K, xs.C, g.cout), device.Vec(g.cout)
				x, wt, bias, dy, y, dx, dw, db := normal(xs), normal(ws), w.normal(v), normal(ys), w.normal(ys), w.normal(xs), w.normal(ws), w.normal(v)
				if transposed {
					w.b.ConvT(y.dev, x.dev, wt.dev, bias.dev, g.win)
					w.ref.ConvT(y.ref, x.ref, wt.ref, bias.ref, g.win)
					w.b.ConvTGradX(into(dx.dev, device.Add), dy.dev, wt.dev, g.win)
					w.ref.ConvTGradX(into(dx.ref, device.Add), dy.ref, wt.ref, g.win)
					w.b.ConvTGradW(into(dw.dev, device.Set), into(db.dev, device.Add), x.dev, dy.dev, g.win)
					w.ref.ConvTGradW(into(dw.ref, device.Set), into(db.ref, device.Add), x.ref, dy.ref, g.win)
				} else {
					w.b.Conv(y.dev, x.dev, wt.dev, bias.dev, g.win, device.ReLU)
					w.ref.Conv(y.ref, x.ref, wt.ref, bias.ref, g.win, device.ReLU)
					w.b.ConvGradX(into(dx.dev, device.Add), dy.dev, wt.dev, g.win)
					w.ref.ConvGradX(into(dx.ref, device.Add), dy.ref, wt.ref, g.win)
					w.b.ConvGradW(into(dw.dev, device.Set), into(db.dev, device.Add), x.dev, dy.dev, g.win)
					w.ref.ConvGradW(into(dw.ref, device.Set), into(db.ref, device.Add), x.ref, dy.ref, g.win)
				}
				w.near(y, 2e-5, "y of "+name)
				w.near(dx, 2e-5, "dx of "+name)
				w.near(dw, 5e-5, "dw of "+name)
				w.near(db, 5e-5, "db of "+name)
				for _, p := range []pair{x, wt, bias, y, dx, dw, db, dy} {
					w.b.Free(p.dev)
				}
			}
		}
		require.NoError(t, b.Close())
	}
}

// A NaN must not vanish, neither when operands are rounded nor in the activation.
func TestTensorCoresKeepNaN(t *testing.T) {
	for _, k := range onTensorCores {
		d, b := emulatedCores(t, k.precision)
		s := device.Shape{N: 1, D: 1, H: 2, W: 2, C: 8}
		x, w, y := b.Alloc(s), b.Alloc(device.Weights(3, 8, 8)), b.Alloc(s)
		b.Fill(x, float32(math.NaN()))
		b.Fill(w, 1)
		for _, blocks := range []int{1, mmaBlocks} {
			b.opt.blocks = blocks
			b.Conv(y, x, w, device.Tensor{}, device.Conv3x3x3, device.ReLU)
			got := make([]float32, s.Len())
			b.Download(got, y)
			for _, v := range got {
				require.True(t, v != v)
			}
		}
		require.EqualValues(t, 2, d.Stats()["mma_"+k.precision.String()+"_24"].Launches)
		for _, x := range []device.Tensor{x, w, y} {
			b.Free(x)
		}
		require.NoError(t, b.Close())
	}
}

// What the kernels on tensor cores are not made for is computed in fp32, and told once.
func TestUnsuitedIsFP32(t *testing.T) {
	var told bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(before)
	d, b := emulatedCores(t, BF16)
	w := &twin{t, b, ref.New[float64](), rng.New(1, t.Name())}
	for _, g := range []struct {
		c, cout int
		win     device.ConvParams
		reason  string
	}{
		{4, 8, device.Conv3x3x3, "fewer than 8 channels"},
		{8, 3, device.Conv3x3x3, "fewer than 8 channels"},
		{8, 8, device.ConvParams{K: 5, Stride: 1, Pad: 2}, "beyond a tile's halo"},
	} {
		told.Reset()
		s := device.Shape{N: 1, D: 2, H: 3, W: 4, C: g.c}
		ys, ws := g.win.Out(s, g.cout), device.Weights(g.win.K, g.c, g.cout)
		x, wt, y, dw := w.normal(s), w.normal(ws), w.normal(ys), w.normal(ws)
		for range 2 {
			w.b.Conv(y.dev, x.dev, wt.dev, device.Tensor{}, g.win, device.Linear)
			w.b.ConvGradW(device.Into{Tensor: dw.dev, Mode: device.Set}, device.Into{}, x.dev, y.dev, g.win)
		}
		w.ref.Conv(y.ref, x.ref, wt.ref, device.Tensor{}, g.win, device.Linear)
		w.near(y, 1e-5, "y")
		require.Equal(t, 2, strings.Count(told.String(), "computed in fp32"), told.String())
		require.Contains(t, told.String(), g.reason)
	}
	for name := range d.Stats() {
		require.NotContains(t, name, "mma", "what is in fp32 is so everywhere")
	}
}

// A window and stride whose surroundings do not fit into shared memory.
func TestSlabFor(t *testing.T) {
	for _, num := range []operand{{2, "bf16"}, {4, "tf32"}} {
		for _, win := range []device.ConvParams{device.Conv3x3x3, device.ConvT2x2x2, device.CompositeWindow, {K: 1, Stride: 1}, {K: 5, Stride: 2}, {K: 3, Stride: 3}, {K: 2, Stride: 32}} {
			for _, w := range []int{1, 8, 9, 16, 24} {
				s, ok := slabFor(device.Shape{N: 1, D: 9, H: 9, W: w, C: 8}, win, num)
				if !ok {
					for _, s := range slabs {
						require.Greater(t, s.shared(win, num), mmaShared)
					}
					require.Greater(t, win.Stride, 2, "%v", win)
					continue
				}
				require.LessOrEqual(t, s.shared(win, num), mmaShared)
				require.Zero(t, s.d<<(s.lw+s.lh)%16, "bf16 multiplies 16 voxels at once")
			}
		}
	}
}

func TestPrecision(t *testing.T) {
	for _, p := range []Precision{FP32, TF32, BF16, Auto} {
		q, err := ParsePrecision(p.String())
		require.NoError(t, err)
		require.Equal(t, p, q)
	}
	_, err := ParsePrecision("fp16")
	require.EqualError(t, err, `there is no precision "fp16"; want fp32, tf32, bf16, auto`)

	open := func(compute int, p Precision) (*Backend, error) {
		return New(emu.New(emu.ComputeCapability(compute)), WithPrecision(p))
	}
	for _, k := range []struct {
		compute   int
		asked, is Precision
	}{{61, FP32, FP32}, {61, Auto, FP32}, {75, Auto, FP32}, {80, FP32, FP32}, {80, Auto, BF16}, {86, TF32, TF32}, {90, BF16, BF16}} {
		b, err := open(k.compute, k.asked)
		require.NoError(t, err)
		require.Equal(t, k.is, b.Precision())
		require.Equal(t, k.is != FP32, strings.Contains(b.Name(), k.is.String()), b.Name())
		require.NoError(t, b.Close())
	}
	for _, p := range []Precision{TF32, BF16} {
		_, err := open(75, p)
		require.EqualError(t, err, "cuda: emulator: "+p.String()+" needs compute capability 8.0 or newer, the device has 7.5; use fp32, or auto, which takes what the device has")
	}
	_, err = open(80, 9)
	require.EqualError(t, err, "cuda: emulator: there is no precision 9")
}
