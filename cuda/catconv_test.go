package cuda

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/devicetest"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
)

// wayUp is a call of CatConv's family on both sides: the source of each channel count upsampled, and one as it is.
type wayUp struct {
	*twin
	coarse, up, bias, skip            pair
	kind                              device.Upsampling
	gamma, beta, mean, invstd, w, b   pair
	y, dy, dx, dup, dbias, dskip      pair
	dgamma, dbeta, dw, db, runM, runV pair
	leave                             bool // composite weights, by CatConv for CatConvGrad
}

func (w *twin) wayUp(kind device.Upsampling, coarse device.Shape, c, skip, cout int, x func() float64) *wayUp {
	fine := device.Upsampled(coarse)
	v := device.Vec(c + skip)
	u := &wayUp{twin: w, kind: kind, coarse: w.values(coarse, x), skip: w.normal(fine.WithC(skip)), gamma: w.normal(v), beta: w.normal(v), mean: w.normal(v),
		invstd: w.normal(v), b: w.normal(device.Vec(cout)), y: w.normal(fine.WithC(cout)), dy: w.normal(fine.WithC(cout)), dx: w.normal(coarse),
		dskip: w.normal(fine.WithC(skip)), dgamma: w.normal(v), dbeta: w.normal(v), db: w.normal(device.Vec(cout)), runM: w.normal(v), runV: w.normal(v)}
	ws := device.Weights(3, c+skip, cout)
	u.w, u.dw = w.values(ws, func() float64 { return 0.05 * w.draw.Normal() }), w.normal(ws)
	if kind == device.Transposed {
		us := device.Weights(2, coarse.C, c)
		u.up, u.dup = w.values(us, func() float64 { return 0.3 * w.draw.Normal() }), w.normal(us)
		u.bias, u.dbias = w.normal(device.Vec(c)), w.normal(device.Vec(c))
	}
	return u
}

// run makes all three calls on one side.
func (u *wayUp) run(b device.Backend, of func(pair) device.Tensor) {
	in := []device.Source{{X: of(u.coarse), Up: u.kind, W: of(u.up), B: of(u.bias)}, {X: of(u.skip)}}
	if u.leave {
		in[0].W4 = b.Alloc(device.Weights(4, u.coarse.ref.C, u.y.ref.C))
	}
	n := device.Normalization{Gamma: of(u.gamma), Beta: of(u.beta), Mean: of(u.mean), InvStd: of(u.invstd)}
	into := func(p pair) (i device.Into) {
		if !of(p).None() {
			i = device.Into{Tensor: of(p), Mode: device.Add}
		}
		return i
	}
	b.CatConvStats(n.Mean, n.InvStd, in, of(u.runM), of(u.runV), 1e-5, 0.1)
	b.CatConv(of(u.y), in, n, of(u.w), of(u.b), device.ReLU)
	b.CatConvGrad(device.CatConvGrads{In: []device.SourceGrad{{X: into(u.dx), W: into(u.dup), B: into(u.dbias)}, {X: into(u.dskip)}},
		Gamma: into(u.dgamma), Beta: into(u.dbeta), W: into(u.dw), B: into(u.db)}, of(u.dy), in, n, of(u.w), false)
}

func (u *wayUp) both() {
	u.run(u.twin.b, func(p pair) device.Tensor { return p.dev })
	u.run(u.ref, func(p pair) device.Tensor { return p.ref })
}

// More than one tile of voxels, channels and composite weights; slabs of planes of three samples, one or several at a time, of which the last has fewer.
func TestCatConvTiles(t *testing.T) {
	for _, call := range []struct {
		kind   device.Upsampling
		planes int // of nine, whose tap products are there at once
	}{{device.Trilinear, 9}, {device.Trilinear, 5}, {device.Trilinear, 1}, {device.Transposed, 9}} {
		kind, w := call.kind, newTwin(t)
		w.b.opt.taps = call.planes * 4 * 4 * 7 * 27 * 5
		u := w.wayUp(kind, device.Shape{N: 3, D: 3, H: 4, W: 7, C: 4}, 4, 3, 5, w.draw.Normal)
		u.both()
		for name, p := range map[string]pair{"y": u.y, "dx": u.dx, "dskip": u.dskip, "mean": u.mean, "invstd": u.invstd, "dgamma": u.dgamma, "dbeta": u.dbeta, "dw": u.dw, "db": u.db,
			"running variance": u.runV} {
			w.near(p, 2e-5, fmt.Sprint(name, " of ", kind))
		}
		if kind == device.Transposed {
			w.near(u.dup, 2e-5, "dup")
			w.near(u.dbias, 1e-4, "dbias") // zero but for rounding
		}
		require.NoError(t, w.b.Close())
	}
}

// Values whose mean is a thousand times their deviation do not cost the variance its digits.
func TestCatConvStatsOfLargeMeans(t *testing.T) {
	for _, kind := range []device.Upsampling{device.Trilinear, device.Transposed} {
		w := newTwin(t)
		u := w.wayUp(kind, device.Shape{N: 1, D: 7, H: 8, W: 9, C: 3}, 3, 2, 1, func() float64 { return 1000 + w.draw.Normal() })
		u.both()
		w.near(u.mean, 1e-6, fmt.Sprint("mean of ", kind))
		w.near(u.invstd, 2e-5, fmt.Sprint("invstd of ", kind))
		require.NoError(t, w.b.Close())
	}
}

// Composite weights of more than one tile of x's channels and of the outputs, whole fours and others, and of a source behind another.
func TestCompositeWeights(t *testing.T) {
	for _, g := range []struct{ cx, cu, skip, cout int }{{50, 9, 2, 53}, {52, 12, 4, 100}, {3, 5, 1, 2}} {
		w := newTwin(t)
		all := g.skip + g.cu
		fine, v := device.Shape{N: 1, D: 2, H: 2, W: 2, C: g.skip}, device.Vec(all)
		up, weights, gamma, invstd := w.normal(device.Weights(2, g.cx, g.cu)), w.normal(device.Weights(3, all, g.cout)), w.normal(v), w.normal(v)
		w4 := w.normal(device.Weights(4, g.cx, g.cout))
		in := []device.Source{{X: w.b.Alloc(fine)}, {X: w.b.Alloc(device.Shape{N: 1, D: 1, H: 1, W: 1, C: g.cx}), Up: device.Transposed, W: up.dev, W4: w4.dev}}
		o := w.b.begin("CatConv")
		o.newCatConv(in, device.Normalization{Gamma: gamma.dev, InvStd: invstd.dev}, weights.dev).compositeWeights(1)
		o.end()

		to, u, f := w.ref.Data(w4.ref), w.ref.Data(up.ref), w.ref.Data(weights.ref)
		clear(to)
		for k := range 8 {
			for tap := range taps3 {
				q := (k/4-tap/9+2)*16 + (k/2%2-tap/3%3+2)*4 + k%2 - tap%3 + 2
				for i := range g.cx {
					for c := range g.cu {
						x := u[(k*g.cx+i)*g.cu+c] * w.ref.Data(gamma.ref)[g.skip+c] * w.ref.Data(invstd.ref)[g.skip+c]
						for o := range g.cout {
							to[(q*g.cx+i)*g.cout+o] += x * f[(tap*all+g.skip+c)*g.cout+o]
						}
					}
				}
			}
		}
		w.near(w4, 2e-5, fmt.Sprint(g))
		require.NoError(t, w.b.Close())
	}
}

// The composite weights that CatConv has left make the same gradients, bit by bit, as those that CatConvGrad makes.
func TestCompositeWeightsAreLeft(t *testing.T) {
	var bits [2][]float32
	for i := range bits {
		d, b := onEmulator(t, nil)
		w := &twin{t, b, ref.New[float64](), rng.New(1, t.Name())}
		u := w.wayUp(device.Transposed, device.Shape{N: 1, D: 5, H: 4, W: 7, C: 3}, 4, 3, 5, w.draw.Normal)
		u.leave = i == 1
		u.run(b, func(p pair) device.Tensor { return p.dev })
		require.EqualValues(t, 3-i, d.Stats()["products_nn"].Launches) // one is of what the statistics pass on
		for _, p := range []pair{u.y, u.dx, u.dup, u.dw} {
			v := make([]float32, p.dev.Len())
			b.Download(v, p.dev)
			bits[i] = append(bits[i], v...)
		}
		require.NoError(t, b.Close())
	}
	require.Equal(t, bits[0], bits[1])
}

// small are the cases of CatConv's family of one geometry.
func small(name string) []string {
	return []string{"CatConvStats/" + name, "CatConv/" + name, "CatConvGrad/" + name}
}

// The order of the blocks must not show in any bit.
func TestCatConvBlockOrder(t *testing.T) {
	_, a := onEmulator(t, []emu.Option{emu.Threads(1), emu.SkipRaces()})
	_, b := onEmulator(t, []emu.Option{emu.ShuffleBlocks(5), emu.Threads(2), emu.SkipRaces()})
	n := 0
	for _, c := range casesOf(devicetest.Options{}, slices.Concat(small("1x2x4x6/17tri+3→17"), small("1x4x10x6/8tri+24→24"), small("1x12x10x14/2conv+3→8"))...) {
		n++
		require.NoError(t, c.SameBits(a, b))
	}
	require.Equal(t, 3*4, n)
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}
