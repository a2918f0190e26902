package cuda

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/devicetest"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
)

// onFew are the cases of convolutions between few channels and any number.
func onFew(opt devicetest.Options, methods ...string) []devicetest.Case {
	return slices.DeleteFunc(casesOf(opt, methods...), func(c devicetest.Case) bool {
		m := sizes.FindStringSubmatch(c.Name)
		if m == nil {
			return true
		}
		ci, _ := strconv.Atoi(m[1])
		co, _ := strconv.Atoi(m[2])
		return min(ci, co) >= mmaLeast
	})
}

// Tiles with tails along every axis, several samples, odd numbers of channels on both sides, more than a block has; the many stored in either way, the
// few in fp32, as in networks; a share of one tile and of all.
func TestFewChannels(t *testing.T) {
	for _, k := range []struct {
		precision Precision
		stored    element
	}{{FP32, fp32}, {TF32, fp32}, {BF16, bf16}} {
		launched := map[string]bool{}
		_, b := onEmulator(t, []emu.Option{emu.ComputeCapability(80), emu.BlockRaces()}, WithoutPool(), WithPrecision(k.precision))
		w := &twin{t, b, ref.New[float64](), rng.New(1, t.Name())}
		// activation is what has several voxels: where it is wide enough it is stored so, with numbers that need no rounding.
		activation := func(s device.Shape, mode device.Mode) pair {
			p := pair{b.AllocActivation(s), w.ref.Alloc(s)}
			require.Equal(t, k.stored == bf16 && s.C >= mmaLeast, elementOf(p.dev) == bf16)
			v := make([]float32, s.Len())
			for i := range v {
				if v[i] = toBF16(float32(w.draw.Normal())); mode == device.Set {
					v[i] = float32(math.NaN())
				}
			}
			b.Upload(p.dev, v)
			if mode == device.Add {
				w.ref.Upload(p.ref, v)
			}
			return p
		}
		near := func(p pair, bound float64, name string) {
			t.Helper()
			if elementOf(p.dev) == bf16 {
				bound = 0x1.01p-8 // a result is rounded once
			}
			w.near(p, bound, name)
		}
		into := func(t device.Tensor, m device.Mode, mask device.Tensor) device.Into {
			return device.Into{Tensor: t, Mode: m, Mask: mask}
		}
		for i, g := range []struct {
			x    device.Shape
			cout int
		}{
			{device.Shape{N: 2, D: 9, H: 9, W: 17, C: 1}, 24},
			{device.Shape{N: 1, D: 3, H: 10, W: 9, C: 2}, 33},  // three blocks of channels, the last one with a tail
			{device.Shape{N: 2, D: 9, H: 17, W: 10, C: 24}, 2}, // chunks with a piece left over in bf16
			{device.Shape{N: 1, D: 10, H: 3, W: 11, C: 40}, 1},
			{device.Shape{N: 1, D: 5, H: 9, W: 9, C: 13}, 3}, // pieces read number by number
			{device.Shape{N: 1, D: 9, H: 5, W: 7, C: 5}, 12},
			{device.Shape{N: 1, D: 5, H: 6, W: 7, C: 7}, 7},
			{device.Shape{N: 1, D: 2, H: 3, W: 4, C: 6}, 300},   // more than a block of a gradient of weights has
			{device.Shape{N: 1, D: 10, H: 9, W: 18, C: 104}, 2}, // more than a block on tensor cores has
			{device.Shape{N: 1, D: 2, H: 2, W: 3, C: 520}, 2},   // more than shared memory has weights for
			{device.Shape{N: 1, D: 1, H: 1, W: 1, C: 8}, 4},
		} {
			for _, transposed := range []bool{false, true} {
				b.opt.spread = []int{1, mmaSpread}[i%2]
				mode := []device.Mode{device.Set, device.Add}[i%2]
				name := fmt.Sprintf("%v: %v→%d transposed %v", k.precision, g.x, g.cout, transposed)
				ys, ws, v := g.x.WithC(g.cout), device.Weights(3, g.x.C, g.cout), device.Vec(g.cout)
				size := math.Sqrt(float64(27 * min(g.x.C, g.cout)))
				x, dy, mask := activation(g.x, device.Add), activation(ys, device.Add), activation(g.x, device.Add)
				y, dx := activation(ys, device.Set), activation(g.x, mode)
				wt, bias := w.values(ws, func() float64 { return float64(toBF16(float32(w.draw.Normal() / size))) }), w.normal(v)
				dw, db := w.normal(ws), w.normal(v)
				all := []pair{x, dy, mask, y, dx, wt, bias, dw, db}
				before := b.drv.(*emu.Device).Stats()
				if transposed {
					w.b.ConvT(y.dev, x.dev, wt.dev, bias.dev, device.Conv3x3x3)
					w.ref.ConvT(y.ref, x.ref, wt.ref, bias.ref, device.Conv3x3x3)
					none := device.Tensor{}
					w.b.ConvTGradX(into(dx.dev, mode, none), dy.dev, wt.dev, device.Conv3x3x3)
					w.ref.ConvTGradX(into(dx.ref, mode, none), dy.ref, wt.ref, device.Conv3x3x3)
					w.b.ConvTGradW(into(dw.dev, mode, none), into(db.dev, mode, none), x.dev, dy.dev, device.Conv3x3x3)
					w.ref.ConvTGradW(into(dw.ref, mode, none), into(db.ref, mode, none), x.ref, dy.ref, device.Conv3x3x3)
				} else {
					none := device.Tensor{}
					w.b.Conv(y.dev, x.dev, wt.dev, bias.dev, device.Conv3x3x3, device.ReLU)
					w.ref.Conv(y.ref, x.ref, wt.ref, bias.ref, device.Conv3x3x3, device.ReLU)
					w.b.ConvGradX(into(dx.dev, mode, mask.dev), dy.dev, wt.dev, device.Conv3x3x3)
					w.ref.ConvGradX(into(dx.ref, mode, mask.ref), dy.ref, wt.ref, device.Conv3x3x3)
					w.b.ConvGradW(into(dw.dev, mode, none), into(db.dev, mode, none), x.dev, dy.dev, device.Conv3x3x3)
					w.ref.ConvGradW(into(dw.ref, mode, none), into(db.ref, mode, none), x.ref, dy.ref, device.Conv3x3x3)
				}
				near(y, 1e-5, "y of "+name)
				near(dx, 1e-5, "dx of "+name)
				near(dw, 1e-4, "dw of "+name)
				near(db, 1e-4, "db of "+name)
				for kernel, s := range b.drv.(*emu.Device).Stats() {
					if s.Launches > before[kernel].Launches {
						require.NotContains(t, []string{"widen_bf16", "round_bf16", "relu_grad_bf16"}, kernel, "%s: what is stored is read and written as it is", name)
						require.NotRegexp(t, `^(conv_|grad_|mma_)`, strings.TrimPrefix(kernel, "mma_pad_"), name)
						launched[kernel] = true
					}
				}
				for _, p := range all {
					b.Free(p.dev)
				}
			}
		}
		for _, kernel := range []string{"wide_to_few_mma", "few_to_wide_mma", "few_grad_mma"} {
			require.Equal(t, k.precision == BF16, launched[kernel], kernel)
		}
		require.NoError(t, b.Close())
	}
}

// Neither the order of the blocks nor another run shows in any bit.
func TestFewChannelsBlockOrder(t *testing.T) {
	cases := onFew(devicetest.Options{}, products[:6]...)
	require.NotEmpty(t, cases)
	for _, precision := range []Precision{FP32, BF16} {
		_, a := emulatedCores(t, precision, emu.Threads(1), emu.SkipRaces())
		_, b := emulatedCores(t, precision, emu.ShuffleBlocks(3), emu.Threads(3), emu.SkipRaces())
		var one, other device.Backend = a, b
		if precision == BF16 {
			one, other = storing{a}, storing{b}
		}
		for _, c := range cases {
			require.NoError(t, c.SameBits(one, other))
		}
		require.NoError(t, a.Close())
		require.NoError(t, b.Close())
	}
}

// The last share of a gradient of weights of tensors beyond 2³² elements: of ones, the pairs of voxels that each position of the window has.
func TestFewChannelsBeyond32Bits(t *testing.T) {
	s := device.Shape{D: 4, H: 8, W: 8, C: 8}
	s.N = 1<<32/(s.Voxels()*s.C) + 3
	for _, k := range []struct {
		stored element
		kernel string
	}{{fp32, "few_grad_1"}, {bf16, "few_grad_1"}} {
		_, b := onEmulator(t, []emu.Option{emu.EndsOnly(1<<20, endBlocks), emu.Memory(1 << 42), emu.ComputeCapability(80)}, WithoutPool())
		wide, few := b.alloc(s, 0, k.stored), b.Alloc(s.WithC(1))
		n := 27 * s.C
		part := b.Alloc(device.Vec(s.N * n))
		one := math.Float32bits(1)
		if k.stored == bf16 {
			one = one | one>>16
		}
		for _, x := range []device.Tensor{wide, few} {
			if x.C == 1 {
				one = math.Float32bits(1)
			}
			const end = 1 << 19
			require.NoError(t, b.drv.Fill32(x.Mem.(*buffer).ptr+driver.Ptr(x.Mem.Bytes()-end), one, end/4))
		}
		o := b.begin("Test")
		l := driver.Launch{Grid: driver.D1(s.N), Block: driver.D1(threads)}
		o.stored(k.stored, "conv_few_grad", k.kernel, l, part, driver.Ptr(0), wide, few, 1, s.C, false, false, s.D, s.H, s.W, s.C, s.N, 1)
		o.end()
		require.NoError(t, b.Sync())
		got := make([]float32, n)
		require.NoError(t, b.drv.ToHost(bytesOf(got), part.Mem.(*buffer).ptr+driver.Ptr(4*(part.Len()-n))))
		for i, v := range got {
			beside := func(n, at int) int { return n - max(at-1, 1-at) }
			tap := i / s.C
			require.EqualValues(t, beside(s.D, tap/9)*beside(s.H, tap/3%3)*beside(s.W, tap%3), v, "%v, element %d", k.stored, i)
		}
		require.NoError(t, b.Close())
	}
}
