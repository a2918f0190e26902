package cuda

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/cuda/kernels"
	"voxgrad/cuda/ptx"
	"voxgrad/device"
	"voxgrad/internal/outfile"
	"voxgrad/internal/rng"
)

var update = flag.Bool("update", false, "rewrite testdata/counts.txt")

// counted is a backend and the tensors of the calls whose work is counted.
type counted struct {
	*Backend
	r      *rng.Stream
	stored bool // in bf16, but for vectors
}

func (c counted) x(s device.Shape) device.Tensor {
	t := c.Alloc(s)
	if c.stored {
		t = storing{c.Backend}.Alloc(s)
	}
	v := make([]float32, t.Len())
	for i := range v {
		v[i] = float32(c.r.Normal())
	}
	c.Upload(t, v)
	return t
}

func (c counted) vec(n int) device.Tensor { return c.x(device.Vec(n)) }

func (c counted) into(s device.Shape, m device.Mode) device.Into {
	return device.Into{Tensor: c.x(s), Mode: m}
}

// convolution makes all calls of one geometry.
func (c counted) convolution(cin, cout int) { c.window(cin, cout, device.Conv3x3x3) }

func (c counted) window(cin, cout int, win device.ConvParams) {
	xs := device.Shape{N: 1, D: 4, H: 6, W: 11, C: cin}
	ys, ws := xs.WithC(cout), device.Weights(win.K, cin, cout)
	x, dy, w := c.x(xs), c.x(ys), c.x(ws)
	c.Conv(c.x(ys), x, w, c.vec(cout), win, device.ReLU)
	c.ConvGradX(c.into(xs, device.Add), dy, w, win)
	c.ConvGradW(c.into(ws, device.Set), c.into(device.Vec(cout), device.Set), x, dy, win)
}

func (c counted) transposed(ch int) {
	xs, ws := device.Shape{N: 1, D: 2, H: 3, W: 9, C: ch}, device.Weights(2, ch, ch)
	ys := device.ConvT2x2x2.OutT(xs, ch)
	x, dy, w := c.x(xs), c.x(ys), c.x(ws)
	c.ConvT(c.x(ys), x, w, c.vec(ch), device.ConvT2x2x2)
	c.ConvTGradX(c.into(xs, device.Set), dy, w, device.ConvT2x2x2)
	c.ConvTGradW(c.into(ws, device.Set), c.into(device.Vec(ch), device.Set), x, dy, device.ConvT2x2x2)
}

// sources is the way up, with a convolution as it is.
func (c counted) sources(up device.Upsampling, ch int) {
	fine := device.Shape{N: 1, D: 8, H: 8, W: 16, C: ch}
	coarse := device.Source{X: c.x(device.Shape{N: 1, D: 4, H: 4, W: 8, C: ch}), Up: up}
	dx := device.SourceGrad{X: c.into(coarse.X.Shape, device.Set)}
	if up == device.Transposed {
		coarse.W, coarse.B = c.x(device.Weights(2, ch, ch)), c.vec(ch)
		dx.W, dx.B = c.into(coarse.W.Shape, device.Set), c.into(device.Vec(ch), device.Set)
	}
	in := []device.Source{coarse, {X: c.x(fine)}}
	v, w := device.Vec(2*ch), device.Weights(3, 2*ch, ch)
	n := device.Normalization{Gamma: c.x(v), Beta: c.x(v), Mean: c.x(v), InvStd: c.x(v)}
	c.CatConvStats(n.Mean, n.InvStd, in, device.Tensor{}, device.Tensor{}, 1e-5, 0.1)
	c.CatConv(c.x(fine), in, n, c.x(w), c.vec(ch), device.ReLU)
	g := device.CatConvGrads{In: []device.SourceGrad{dx, {X: c.into(fine, device.Set)}}, Gamma: c.into(v, device.Set), Beta: c.into(v, device.Set),
		W: c.into(w, device.Set), B: c.into(device.Vec(ch), device.Set)}
	c.CatConvGrad(g, c.x(fine), in, n, c.x(w), false)
}

func (c counted) streaming(ch int) {
	s := device.Shape{N: 1, D: 6, H: 8, W: 10, C: ch}
	half, double := device.Pooled(s), device.Upsampled(s)
	x, dy := c.x(s), c.x(s)
	gamma, beta, mean, invstd, rm, rv := c.vec(ch), c.vec(ch), c.vec(ch), c.vec(ch), c.vec(ch), c.vec(ch)
	vec := device.Vec(ch)
	c.Fill(rv, 1)
	c.BatchNormStats(mean, invstd, x, rm, rv, 1e-5, 0.1)
	c.BatchNormInvStd(invstd, rv, 1e-5)
	c.BatchNormApply(c.x(s), x, gamma, beta, mean, invstd)
	c.BatchNormGrad(c.into(s, device.Set), c.into(vec, device.Set), c.into(vec, device.Set), dy, x, gamma, mean, invstd, false)
	y := c.x(half)
	c.MaxPool(y, x)
	c.MaxPoolGrad(c.into(s, device.Set), c.x(half), x, y)
	c.Upsample(c.x(double), x)
	c.UpsampleGrad(c.into(s, device.Add), c.x(double))
	c.Concat(c.x(s.WithC(2*ch)), x, dy)
	c.Split(c.into(s, device.Set), c.into(s, device.Add), c.x(s.WithC(2*ch)))
	c.ReLUGrad(c.into(s, device.Set), dy, x)
	c.Dropout(c.x(s), x, 0.3, 7)
	c.Copy(c.into(s, device.Set), x)
	c.Copy(c.into(s, device.Add), x)
	c.NonFinite(c.vec(2), []device.Tensor{x})
}

func (c counted) losses(ch int) {
	s := device.Shape{N: 1, D: 6, H: 8, W: 10, C: ch}
	x, g, sums, loss := c.x(s), c.x(s), c.vec(3*ch), c.vec(1)
	opt := device.DiceOptions{Eps: 1, CrossEntropy: 0.5}
	c.Softmax(c.x(s), x)
	c.DiceLoss(loss, sums, device.Tensor{}, x, g, opt)
	c.DiceLossGrad(c.into(s, device.Set), loss, sums, x, g, opt)
	c.MSE(loss, x, g)
	c.MSEGrad(c.into(s, device.Set), loss, x, g)
}

func (c counted) adam() {
	var slots []device.AdamSlot
	for _, n := range []int{24, 648, 15552} {
		slots = append(slots, device.AdamSlot{W: c.vec(n), Grad: c.vec(n), M: c.vec(n), V: c.vec(n)})
		c.Fill(slots[len(slots)-1].V, 1)
	}
	c.Adam(slots, device.AdamOptions{Step: 1, LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8})
	grads, norm := make([]device.Tensor, len(slots)), c.vec(1)
	for i, s := range slots {
		grads[i] = s.Grad
	}
	c.TotalNorm(norm, grads)
}

func (c counted) imaging(ch int) {
	s := device.Shape{N: 1, D: 12, H: 10, W: 40, C: ch}
	x, y, mask := c.x(s), c.x(s), c.x(s)
	for axis := range 3 {
		n := s.Grid()[axis]
		c.AlongAxis(device.Into{Tensor: y, Mode: device.Set}, x, c.x(device.Matrix(n, n)), axis)
	}
	narrow := c.x(device.Matrix(40, 40)) // one of its three stages has a coefficient
	c.Upload(narrow, append(make([]float32, 1599), 1))
	c.AlongAxis(device.Into{Tensor: y, Mode: device.Add}, x, narrow, 2)
	c.Orient(c.x(device.Shape{N: 1, D: 40, H: 10, W: 12, C: ch}), x, [3]int{2, 1, 0}, [3]bool{true})
	c.Resample(y, x, c.vec(1), [3][4]float64{{0.9, 0.1, 0, 0.2}, {-0.1, 0.9, 0, 0.5}, {0, 0, 0.8, 1}})
	c.Blend(y, x, mask, 0.7, 0.3)
	c.Min(c.vec(1), x)
	c.BiasField(y, x, c.vec(20), 3)
	c.Noise(y, x, 0.1, 7)
	c.RegionStats(c.vec(2), x, mask)
	c.RegionNoise(y, x, mask, c.vec(2), 7)
	c.Select(y, mask, x, mask)
	batch := c.x(device.Shape{N: 2, D: 12, H: 10, W: 40, C: ch})
	c.PutSample(batch, 1, x)
	c.TakeSample(y, batch, 0)
	odd := device.Shape{N: 1, D: 1, H: 1, W: 4801, C: 1}
	batch = c.x(device.Shape{N: 2, D: 1, H: 1, W: 4801, C: 1})
	c.TakeSample(c.x(odd), batch, 1)
	if ch == 1 {
		c.KSpacePeak(c.vec(2), x, y)
		c.KSpaceSpike(x, y, c.vec(2), [3]int{1, 2, 3}, 0.1)
		c.SpikeInImage(y, x, c.vec(2), [3]int{1, 2, 3}, 0.1)
	}
}

// Instructions, memory traffic and bank conflicts of every kernel on fixed shapes. A
// kernel that starts to move more than it did is seen here before anybody times
// it; `go test ./cuda -run TestCounts -update` accepts the new numbers.
func TestCounts(t *testing.T) {
	calls := []struct {
		name string
		run  func(c counted)
	}{
		{"conv 24→24", func(c counted) { c.convolution(24, 24) }},
		{"conv 48→48", func(c counted) { c.convolution(48, 48) }},
		{"conv 4→96", func(c counted) { c.convolution(4, 96) }},
		{"conv 1→24", func(c counted) { c.convolution(1, 24) }},
		{"conv 24→2", func(c counted) { c.convolution(24, 2) }},
		{"conv 24→1", func(c counted) { c.convolution(24, 1) }},
		{"conv 24→4", func(c counted) { c.convolution(24, 4) }},
		{"conv 17→24", func(c counted) { c.convolution(17, 24) }},
		{"conv 5→3", func(c counted) { c.convolution(5, 3) }},
		{"conv 8→96", func(c counted) { c.convolution(8, 96) }},
		{"conv 24→24, 1", func(c counted) { c.window(24, 24, device.ConvParams{K: 1, Stride: 1}) }},
		{"conv 9→24", func(c counted) { c.convolution(9, 24) }},
		{"convt 24", func(c counted) { c.transposed(24) }},
		{"convt 4", func(c counted) { c.transposed(4) }},
		{"convt 3", func(c counted) { c.transposed(3) }},
		{"up conv 8", func(c counted) { c.sources(device.Transposed, 8) }},
		{"up tri 8", func(c counted) { c.sources(device.Trilinear, 8) }},
		{"up tri 3", func(c counted) { c.sources(device.Trilinear, 3) }},
		{"streaming 24", func(c counted) { c.streaming(24) }},
		{"streaming 3", func(c counted) { c.streaming(3) }},
		{"imaging 1", func(c counted) { c.imaging(1) }},
		{"imaging 2", func(c counted) { c.imaging(2) }},
		{"losses 2", func(c counted) { c.losses(2) }},
		{"adam", counted.adam},
		{"bf16 24→24", func(c counted) { c.convolution(24, 24) }},
		{"bf16 48→96", func(c counted) { c.convolution(48, 96) }},
		{"bf16 48→96, full", func(c counted) { c.opt.blocks = 1; c.convolution(48, 96) }}, // blocks enough for the widest
		{"bf16 convt", func(c counted) { c.transposed(24) }},
		{"bf16 stored 24", func(c counted) { c.stored = true; c.streaming(24); c.convolution(24, 24) }},
		{"bf16 stored 3", func(c counted) { c.stored = true; c.streaming(3); c.convolution(9, 9) }},
		{"bf16 conv 8", func(c counted) { c.stored = true; c.sources(device.Transposed, 8) }},
		{"bf16 tri 8", func(c counted) { c.stored = true; c.sources(device.Trilinear, 8) }},
		{"bf16 tri 9", func(c counted) { c.stored = true; c.sources(device.Trilinear, 9) }},
		{"tf32 conv 8", func(c counted) { c.sources(device.Transposed, 8) }},
		{"bf16 1→24", func(c counted) { c.stored = true; c.convolution(1, 24); c.convolution(24, 1) }},
		{"bf16 24→2", func(c counted) { c.stored = true; c.convolution(24, 2); c.convolution(2, 24) }},
		{"bf16 4→24", func(c counted) { c.stored = true; c.convolution(4, 24); c.convolution(24, 4) }},
		{"tf32 24→24", func(c counted) { c.convolution(24, 24) }},
		{"tf32 48→96", func(c counted) { c.convolution(48, 96) }},
		{"tf32 48→96, full", func(c counted) { c.opt.blocks = 1; c.convolution(48, 96) }},
	}
	var b strings.Builder
	fmt.Fprintln(&b, "# call, kernel: launches, blocks, warp instructions, flops, 32-byte sectors loaded and stored in global memory,")
	fmt.Fprintln(&b, "# shared loads and stores, bank conflicts, barriers (of warps)")
	seen := map[string]bool{}
	for _, call := range calls {
		first, _, _ := strings.Cut(call.name, " ")
		precision, err := ParsePrecision(first)
		if err != nil {
			precision = FP32
		}
		d, dev := onEmulator(t, []emu.Option{emu.ComputeCapability(80)}, WithPrecision(precision))
		call.run(counted{dev, rng.New(1, call.name), false})
		require.NoError(t, dev.Sync(), call.name)
		stats := d.Stats()
		for _, k := range slices.Sorted(maps.Keys(stats)) {
			s := stats[k]
			seen[k] = true
			require.Zero(t, s.LocalLoads+s.LocalStores, "%s uses local memory", k)
			fmt.Fprintf(&b, "%-12s %-24s %d %d %d %d  %d %d  %d %d %d  %d\n", call.name, k, s.Launches, s.Blocks, s.WarpInstructions, s.Flops,
				s.GlobalLoadSectors, s.GlobalStoreSectors, s.SharedLoads, s.SharedStores, s.BankConflicts, s.Barriers)
		}
		require.NoError(t, dev.Close())
	}
	for _, k := range entries(t) {
		require.True(t, seen[k], "kernel %s is not counted", k)
	}
	const file = "testdata/counts.txt"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, outfile.WriteBytes(file, []byte(b.String())))
	}
	golden, err := os.ReadFile(file)
	require.NoError(t, err)
	want, got := strings.Split(string(golden), "\n"), strings.Split(b.String(), "\n")
	for i := range max(len(want), len(got)) {
		w, g := at(want, i), at(got, i)
		require.Equal(t, w, g, "%s, line %d; if it is meant, run this test with -update", file, i+1)
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// entries are the names of all kernels.
func entries(t testing.TB) []string {
	var names []string
	for _, name := range kernels.Names() {
		text, _, err := kernels.Source(name, 80)
		require.NoError(t, err)
		m, err := ptx.Parse(text)
		require.NoError(t, err)
		for _, e := range m.Entries() {
			names = append(names, e.Name)
		}
	}
	return names
}
