package cuda

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/internal/rng"
)

// huge makes each call twice: on tensors of which the emulator has the last samples and executes the last blocks, and on
// these samples alone. Offsets in the first go beyond what 32 bits hold; where one
// is cut, it falls on memory that is not there.
type huge struct {
	t    *testing.T
	name string
	big  *Backend
	all  *Backend // without pools, of the last samples alone
	n    int      // samples
	in   element  // what batches are stored in
	draw *rng.Stream
}

// endSamples are there, more than endBlocks of any kernel read.
const (
	endSamples = 40
	endBlocks  = 3
)

// untouched marks results that no block wrote, in every format.
const untouched = float32(-0x1p99)

// ends is a tensor and, on the other backend, its end.
type ends struct{ big, all device.Tensor }

// newHuge gives a shape of a few more than so many elements.
func newHuge(t *testing.T, elements int, precision Precision) (*huge, device.Shape) {
	return newHugeOf(t, elements, 8, precision, fp32)
}

// newHugeOf has batches of c channels, stored in an element, of a multiple of endSamples samples.
func newHugeOf(t *testing.T, elements, c int, precision Precision, in element, opts ...emu.Option) (*huge, device.Shape) {
	s := device.Shape{D: 4, H: 8, W: 8, C: c}
	s.N = roundUp(elements/(s.Voxels()*s.C)+3, endSamples)
	opts = append(opts, emu.EndsOnly(int64(max(1<<20, c<<16)), endBlocks), emu.Memory(1<<42), emu.ComputeCapability(80))
	_, big := onEmulator(t, opts, WithoutPool(), WithPrecision(precision))
	_, all := onEmulator(t, []emu.Option{emu.ComputeCapability(80)}, WithoutPool(), WithPrecision(precision))
	for _, b := range []*Backend{big, all} {
		b.opt.few, b.opt.blocks = 0, 1 // the same order of sums in both, however few blocks the second has
		b.opt.taps = 1 << 60           // no slabs, of which all but the last would not be there
	}
	return &huge{t, "", big, all, s.N, in, rng.New(1, t.Name())}, s
}

// upload writes the end of a tensor.
func (h *huge) upload(e ends, v []float32) ends {
	h.all.Upload(e.all, v)
	raw := make([]byte, e.all.Mem.Bytes())
	require.NoError(h.t, h.all.drv.ToHost(raw, ptr(e.all)))
	require.NoError(h.t, h.big.drv.ToDevice(e.end(), raw))
	return e
}

// end is where in the large tensor the other one begins.
func (e ends) end() driver.Ptr { return ptr(e.big) + driver.Ptr(e.big.Mem.Bytes()-e.all.Mem.Bytes()) }

func (h *huge) tensor(s device.Shape) ends {
	if s.N != h.n {
		return ends{h.big.Alloc(s), h.all.Alloc(s)}
	}
	big := h.big.alloc(s, 0, h.in)
	s.N = endSamples
	return ends{big, h.all.alloc(s, 0, h.in)}
}

func (h *huge) normal(s device.Shape) ends { return h.values(s, h.draw.Normal) }

func (h *huge) values(s device.Shape, f func() float64) ends {
	e := h.tensor(s)
	v := make([]float32, e.all.Len())
	for i := range v {
		v[i] = float32(f())
	}
	return h.upload(e, v)
}

func (h *huge) result(s device.Shape) ends {
	e := h.tensor(s)
	v := make([]float32, e.all.Len())
	for i := range v {
		v[i] = untouched
	}
	return h.upload(e, v)
}

// end downloads what h.upload wrote.
func (h *huge) end(e ends) (big, all []float32) {
	big, all = make([]float32, e.all.Len()), make([]float32, e.all.Len())
	h.all.Download(all, e.all)
	require.NoError(h.t, h.all.Sync(), h.name)
	require.NoError(h.t, h.big.Sync(), h.name)
	raw := make([]byte, e.all.Mem.Bytes())
	require.NoError(h.t, h.big.drv.ToHost(raw, e.end()), h.name)
	last := h.all.alloc(e.all.Shape, 0, elementOf(e.all)) // to decode it
	require.NoError(h.t, h.all.drv.ToDevice(ptr(last), raw))
	h.all.Download(big, last)
	h.all.Free(last)
	return big, all
}

// same wants the same bits wherever a block wrote, of what others that were executed have written, and the last element written.
func (h *huge) same(e ends) { h.sameLast(e, e.all.Len()) }

// sameLast compares so many elements at the end: those to which every launch has contributed that should.
func (h *huge) sameLast(e ends, last int) {
	big, all := h.end(e)
	big, all = big[len(big)-last:], all[len(all)-last:]
	n := 0
	for i, v := range big {
		if v != untouched && v == v {
			require.Equal(h.t, all[i], v, "%s: %d elements before the end of %v", h.name, len(big)-i, e.big.Shape)
			n++
		}
	}
	require.NotEqual(h.t, untouched, big[len(big)-1], h.name)
	require.Equal(h.t, all[len(all)-1], big[len(big)-1], "%s: the last element", h.name)
	require.GreaterOrEqual(h.t, n, 64, h.name)
	h.big.Free(e.big)
	h.all.Free(e.all)
}

// both makes a call on both.
func (h *huge) both(name string, call func(b *Backend, of func(ends) device.Tensor)) {
	h.name = name
	call(h.big, func(e ends) device.Tensor { return e.big })
	call(h.all, func(e ends) device.Tensor { return e.all })
	require.NoError(h.t, h.all.Sync(), name)
	require.NoError(h.t, h.big.Sync(), name)
}

// Tensors of a little more than 2³¹ and than 2³² elements.
func TestOffsetsBeyond32Bits(t *testing.T) {
	for name, elements := range map[string]int{"beyond 2³¹ elements": 1 << 31, "beyond 2³² elements": 1 << 32} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, s := newHuge(t, elements, FP32)
			h.convolutions(s)
			h.waysUp(s, device.Transposed)
			h.waysUp(s, device.Trilinear)
			h.streaming(s)
			h.drawing(s)
			h.images(s)
			h.optimiser(elements)
			h.close()
		})
	}
}

// The same on tensor cores.
func TestOffsetsBeyond32BitsOnTensorCores(t *testing.T) {
	for _, precision := range []Precision{TF32, BF16} {
		t.Run(precision.String(), func(t *testing.T) {
			h, s := newHuge(t, 1<<32, precision)
			h.convolutions(s)
			h.executed("mma_" + precision.String() + "_24")
			h.close()
		})
	}
}

// The same of tensors stored in bf16.
func TestOffsetsBeyond32BitsInStorage(t *testing.T) {
	for name, elements := range map[string]int{"beyond 2³¹ elements": 1 << 31, "beyond 2³² elements": 1 << 32} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, s := newHugeOf(t, elements, 8, BF16, bf16)
			h.convolutions(s)
			h.waysUp(s, device.Transposed)
			h.waysUp(s, device.Trilinear)
			h.streaming(s)
			h.executed("mma_bf16_24", "copy_bf16", "accumulate_bf16", "relu_grad_bf16", "batchnorm_apply_v4_bf16", "batchnorm_grad_apply_v4_bf16", "maxpool_v4_bf16",
				"maxpool_grad_v4_bf16", "upsample_v4_bf16", "upsample_grad_v4_bf16", "concat_v4_bf16", "split_v4_bf16", "widen_bf16", "round_bf16")
			h.close()
		})
	}
}

// A gradient of weights sums over all there is: the sums of the last share of it are compared, where the kernel leaves them.
func TestGradientsOfWeightsBeyond32Bits(t *testing.T) {
	for _, k := range []struct {
		precision Precision
		in        element
	}{{BF16, bf16}, {TF32, fp32}} { // tf32 as it is: what has no bits to round
		for _, call := range []struct {
			win   device.ConvParams
			tiles int // of a share
		}{{device.Conv3x3x3, 40}, {device.CompositeWindow, 80}} {
			t.Run(fmt.Sprint(k.precision, call.win), func(t *testing.T) {
				const c = 96
				h, fine := newHugeOf(t, 1<<32, c, k.precision, k.in, emu.LastRow())
				coarse := call.win.Out(fine, c)
				g, p := h.values(fine, func() float64 { return float64(toBF16(float32(h.draw.Normal()))) }), h.values(coarse, func() float64 { return float64(toBF16(float32(h.draw.Normal()))) })
				n := call.win.K * call.win.K * call.win.K * c * c
				var sums [2][]float32
				for i, b := range []*Backend{h.big, h.all} {
					gs, ps := g.big, p.big
					if b == h.all {
						gs, ps = g.all, p.all
					}
					o := b.begin("outer")
					of := outer{g: gs.Shape, p: ps.Shape, win: call.win}
					s, why := o.spreadOf(of)
					require.Empty(t, why)
					// As many shares as have so many tiles.
					s.share, s.shares = call.tiles, ceil(s.all, call.tiles)
					s.launch.Grid.Z = s.parts(call.win) * s.shares
					require.LessOrEqual(t, s.launch.Grid.Z, mmaGridMax)
					work, voxel := o.workspace(s.shares*n), c*int(k.in.bytes(2)/2)
					o.launchOuter(s, of, work, 0, ptr(gs), voxel, ptr(ps), voxel)
					b.sync()
					require.NoError(t, b.err)
					sums[i] = make([]float32, n)
					require.NoError(t, b.drv.ToHost(bytesOf(sums[i]), work+driver.Ptr(4*n*(s.shares-1))))
					o.end()
				}
				written := 0
				for i, v := range sums[0] {
					if v == v {
						require.Equal(t, sums[1][i], v, "element %d of the last part", i)
						written++
					}
				}
				require.Equal(t, sums[1][n-1], sums[0][n-1])
				require.GreaterOrEqual(t, written, c/mmaOuter*8*mmaOuter*mmaOuter) // the last row of blocks
				h.free(g, p)
				h.close()
			})
		}
	}
}

// executed asks that kernels were, on the large tensors.
func (h *huge) executed(kernels ...string) {
	for _, k := range kernels {
		require.Positive(h.t, h.big.drv.(*emu.Device).Stats()[k].Blocks, k)
	}
}

func (h *huge) close() {
	require.NoError(h.t, h.big.Close())
	require.NoError(h.t, h.all.Close())
}

// waysUp are CatConv of an upsampled source and one as it is, and the gradients of both.
func (h *huge) waysUp(s device.Shape, up device.Upsampling) {
	const c = 8
	v := device.Vec(2 * c)
	half := device.Pooled(s)
	coarse, skip, dy, w := h.normal(half), h.normal(s), h.normal(s), h.normal(device.Weights(3, 2*c, c))
	gamma, beta, mean, invstd := h.normal(v), h.normal(v), h.normal(v), h.normal(v)
	used := []ends{coarse, skip, dy, w, gamma, beta, mean, invstd}
	var upW ends
	if up == device.Transposed {
		upW = h.normal(device.Weights(2, c, c))
		used = append(used, upW)
	}
	args := func(of func(ends) device.Tensor) ([]device.Source, device.Normalization) {
		return []device.Source{{X: of(coarse), Up: up, W: of(upW)}, {X: of(skip)}},
			device.Normalization{Gamma: of(gamma), Beta: of(beta), Mean: of(mean), InvStd: of(invstd)}
	}
	name := [...]string{device.Trilinear: "trilinear", device.Transposed: "transposed"}[up]
	y := h.result(s)
	h.both("CatConv, "+name, func(b *Backend, of func(ends) device.Tensor) {
		in, n := args(of)
		b.CatConv(of(y), in, n, of(w), device.Tensor{}, device.Linear)
	})
	h.sameLast(y, endBlocks*s.Voxels()*c)
	dx, dskip := h.result(half), h.result(s)
	h.both("CatConvGrad, "+name, func(b *Backend, of func(ends) device.Tensor) {
		in, n := args(of)
		g := device.CatConvGrads{In: []device.SourceGrad{{X: set(of(dx))}, {X: set(of(dskip))}}}
		b.CatConvGrad(g, of(dy), in, n, of(w), true)
	})
	h.same(dx)
	h.same(dskip)
	h.free(used...)
}

func (h *huge) convolutions(s device.Shape) {
	const c = 8
	x, dy, w, b := h.normal(s), h.normal(s), h.normal(device.Weights(3, c, c)), h.normal(device.Vec(c))
	y := h.result(s)
	h.both("Conv", func(b2 *Backend, of func(ends) device.Tensor) {
		b2.Conv(of(y), of(x), of(w), of(b), device.Conv3x3x3, device.ReLU)
	})
	h.same(y)
	y = h.result(s)
	h.both("ConvGradX", func(b *Backend, of func(ends) device.Tensor) {
		b.ConvGradX(set(of(y)), of(dy), of(w), device.Conv3x3x3)
	})
	h.same(y)

	half := device.Pooled(s)
	xh, w2 := h.normal(half), h.normal(device.Weights(2, c, c))
	y = h.result(s)
	h.both("ConvT", func(b2 *Backend, of func(ends) device.Tensor) {
		b2.ConvT(of(y), of(xh), of(w2), of(b), device.ConvT2x2x2)
	})
	h.same(y)
	y = h.result(half)
	h.both("ConvTGradX", func(b *Backend, of func(ends) device.Tensor) {
		b.ConvTGradX(set(of(y)), of(dy), of(w2), device.ConvT2x2x2)
	})
	h.same(y)
	h.free(x, xh, dy, w, w2, b)

	odd := s.WithC(5) // gathered word by word
	x, w = h.normal(odd), h.normal(device.Weights(3, 5, c))
	y = h.result(s)
	h.both("Conv of 5 channels", func(b *Backend, of func(ends) device.Tensor) {
		b.Conv(of(y), of(x), of(w), device.Tensor{}, device.Conv3x3x3, device.Linear)
	})
	h.same(y)
	h.free(x, w)

	few := s.WithC(2)
	x, dy, w = h.normal(s), h.normal(few), h.normal(device.Weights(3, c, 2))
	y = h.result(few)
	h.both("Conv to 2 channels", func(b *Backend, of func(ends) device.Tensor) {
		b.Conv(of(y), of(x), of(w), device.Tensor{}, device.Conv3x3x3, device.Linear)
	})
	h.same(y)
	y = h.result(s)
	h.both("ConvGradX from 2 channels", func(b *Backend, of func(ends) device.Tensor) {
		b.ConvGradX(set(of(y)), of(dy), of(w), device.Conv3x3x3)
	})
	h.same(y)
	h.free(x, dy, w)
}

func (h *huge) free(es ...ends) {
	for _, e := range es {
		h.big.Free(e.big)
		h.all.Free(e.all)
	}
}

func (h *huge) streaming(s device.Shape) {
	vec, half := device.Vec(s.C), device.Pooled(s)
	x, dy, xh := h.normal(s), h.normal(s), h.normal(half)
	gamma, beta, mean, invstd := h.normal(vec), h.normal(vec), h.normal(vec), h.normal(vec)
	for _, call := range []struct {
		name string
		out  device.Shape
		run  func(b *Backend, of func(ends) device.Tensor, y device.Tensor)
	}{
		{"Copy", s, func(b *Backend, of func(ends) device.Tensor, y device.Tensor) { b.Copy(set(y), of(x)) }},
		{"accumulate", s, func(b *Backend, of func(ends) device.Tensor, y device.Tensor) {
			b.Copy(set(y), of(x))
			b.Copy(device.Into{Tensor: y, Mode: device.Add}, of(dy))
		}},
		{"ReLUGrad", s, func(b *Backend, of func(ends) device.Tensor, y device.Tensor) { b.ReLUGrad(set(y), of(dy), of(x)) }},
		{"BatchNormApply", s, func(b *Backend, of func(ends) device.Tensor, y device.Tensor) {
			b.BatchNormApply(y, of(x), of(gamma), of(beta), of(mean), of(invstd))
		}},
		{"BatchNormGrad", s, func(b *Backend, of func(ends) device.Tensor, y device.Tensor) {
			b.BatchNormGrad(set(y), device.Into{}, device.Into{}, of(dy), of(x), of(gamma), of(mean), of(invstd), true)
		}},
		{"MaxPool", half, func(b *Backend, of func(ends) device.Tensor, y device.Tensor) { b.MaxPool(y, of(x)) }},
		{"Upsample", s, func(b *Backend, of func(ends) device.Tensor, y device.Tensor) { b.Upsample(y, of(xh)) }},
		{"Concat", s.WithC(2 * s.C), func(b *Backend, of func(ends) device.Tensor, y device.Tensor) { b.Concat(y, of(x), of(dy)) }},
		{"Softmax", s, func(b *Backend, of func(ends) device.Tensor, y device.Tensor) { b.Softmax(y, of(x)) }},
	} {
		y := h.result(call.out)
		h.both(call.name, func(b *Backend, of func(ends) device.Tensor) { call.run(b, of, of(y)) })
		h.same(y)
	}
	y, dyHalf, dx := h.normal(half), h.normal(half), h.result(s)
	h.both("MaxPool", func(b *Backend, of func(ends) device.Tensor) { b.MaxPool(of(y), of(x)) })
	h.both("MaxPoolGrad", func(b *Backend, of func(ends) device.Tensor) { b.MaxPoolGrad(set(of(dx)), of(dyHalf), of(x), of(y)) })
	h.same(dx)
	dx = h.result(half)
	h.both("UpsampleGrad", func(b *Backend, of func(ends) device.Tensor) { b.UpsampleGrad(set(of(dx)), of(dy)) })
	h.same(dx)
	da, db, joined := h.result(s), h.result(s), h.normal(s.WithC(2*s.C))
	h.both("Split", func(b *Backend, of func(ends) device.Tensor) { b.Split(set(of(da)), set(of(db)), of(joined)) })
	h.same(da)
	h.same(db)
	dx, sums := h.result(s), h.normal(device.Vec(3*s.C))
	dloss := h.normal(device.Scalar())
	h.both("DiceLossGrad", func(b *Backend, of func(ends) device.Tensor) {
		b.DiceLossGrad(set(of(dx)), of(dloss), of(sums), of(x), of(dy), device.DiceOptions{Eps: 100})
	})
	h.same(dx)
	h.free(x, dy, gamma, beta, mean, invstd, xh, y, dyHalf, joined, sums, dloss)
}

// optimiser updates one parameter of so many elements.
func (h *huge) optimiser(elements int) {
	n := elements + 4003
	slot := func(v func() float64) ends {
		e := ends{h.big.Alloc(device.Vec(n)), h.all.Alloc(device.Vec(6051))}
		x := make([]float32, 6051)
		for i := range x {
			x[i] = float32(v())
		}
		return h.upload(e, x)
	}
	w, g, m, v := slot(h.draw.Normal), slot(h.draw.Normal), slot(h.draw.Normal), slot(h.draw.Float64)
	h.both("Adam", func(b *Backend, of func(ends) device.Tensor) {
		b.Adam([]device.AdamSlot{{W: of(w), Grad: of(g), M: of(m), V: of(v)}}, device.AdamOptions{Step: 2, LR: 0.1, Beta1: 0.9, Beta2: 0.99, Eps: 1e-8})
	})
	for _, e := range []ends{w, m, v} {
		h.same(e)
	}
	h.free(g)
}

// A line of more values than 32 bits count is refused by a kernel whose steps along a line are that wide.
func TestLinesBeyond32Bits(t *testing.T) {
	_, b := onEmulator(t, []emu.Option{emu.EndsOnly(1<<20, endBlocks), emu.Memory(1 << 42)}, WithoutPool())
	x := device.Shape{N: 1, D: 1, H: 1, W: 1 << 28, C: 5}
	dx, dy := b.Alloc(x), b.Alloc(device.Upsampled(x))
	require.PanicsWithValue(t, "cuda: UpsampleGrad: dy [1 2 2 536870912 5] has lines of more values than a kernel can count", func() {
		b.UpsampleGrad(set(dx), dy)
	})
	require.NoError(t, b.Close())
}
