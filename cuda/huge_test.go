package cuda

import (
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
	draw *rng.Stream
}

// endSamples are there, more than endBlocks of any kernel read.
const (
	endSamples = 40
	endBlocks  = 3
)

// untouched marks results that no block wrote.
const untouched = float32(-1e30)

// ends is a tensor and, on the other backend, its end.
type ends struct{ big, all device.Tensor }

// newHuge gives a shape of a few more than so many elements.
func newHuge(t *testing.T, elements int, precision Precision) (*huge, device.Shape) {
	s := device.Shape{D: 4, H: 8, W: 8, C: 8}
	s.N = elements/(s.Voxels()*s.C) + 3
	_, big := onEmulator(t, []emu.Option{emu.EndsOnly(1<<20, endBlocks), emu.Memory(1 << 42), emu.ComputeCapability(80)}, WithoutPool(), WithPrecision(precision))
	_, all := onEmulator(t, []emu.Option{emu.ComputeCapability(80)}, WithoutPool(), WithPrecision(precision))
	for _, b := range []*Backend{big, all} {
		b.opt.few, b.opt.blocks = 0, 1 // the same order of sums in both, however few blocks the second has
		b.opt.taps = 1 << 60           // no slabs, of which all but the last would not be there
	}
	return &huge{t, "", big, all, s.N, rng.New(1, t.Name())}, s
}

// upload writes the end of a tensor.
func (h *huge) upload(e ends, v []float32) ends {
	h.all.Upload(e.all, v)
	at := e.big.Mem.(*buffer).ptr + driver.Ptr(4*(e.big.Len()-len(v)))
	require.NoError(h.t, h.big.drv.ToDevice(at, bytesOf(v)))
	return e
}

func (h *huge) tensor(s device.Shape) ends {
	big := h.big.Alloc(s)
	if s.N == h.n {
		s.N = endSamples
	}
	return ends{big, h.all.Alloc(s)}
}

func (h *huge) normal(s device.Shape) ends {
	e := h.tensor(s)
	v := make([]float32, e.all.Len())
	for i := range v {
		v[i] = float32(h.draw.Normal())
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
	at := e.big.Mem.(*buffer).ptr + driver.Ptr(4*(e.big.Len()-len(big)))
	require.NoError(h.t, h.big.drv.ToHost(bytesOf(big), at), h.name)
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
			require.NoError(t, h.big.Close())
			require.NoError(t, h.all.Close())
		})
	}
}

// The same on tensor cores.
func TestOffsetsBeyond32BitsOnTensorCores(t *testing.T) {
	for _, precision := range []Precision{TF32, BF16} {
		t.Run(precision.String(), func(t *testing.T) {
			h, s := newHuge(t, 1<<32, precision)
			h.convolutions(s)
			require.Positive(t, h.big.drv.(*emu.Device).Stats()["mma_"+precision.String()+"_24"].Blocks)
			require.NoError(t, h.big.Close())
			require.NoError(t, h.all.Close())
		})
	}
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
