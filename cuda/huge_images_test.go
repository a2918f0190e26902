package cuda

import (
	"fmt"
	"math"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/internal/rng"
)

// drawing looks at the numbers of the elements, which are others in the whole and in its end.
func (h *huge) drawing(s device.Shape) {
	const key, p = 99, 0.25
	x, y, mask, stats := h.tensor(s), h.result(s), h.tensor(s), h.upload(h.tensor(device.Vec(2)), []float32{0, 1})
	n := x.all.Len()
	ones, zeros := make([]float32, n), make([]float32, n)
	for i := range ones {
		ones[i] = 1
	}
	h.upload(mask, ones)
	word := func(i int) uint32 { return rng.Word(key, uint64(x.big.Len()-n+i)) }
	normal := func(i int) float32 { return rng.Normal32(word(i)) }
	for _, c := range []struct {
		name string
		x    []float32
		run  func()
		want func(i int) float32
	}{
		{"Dropout", ones, func() { h.big.Dropout(y.big, x.big, p, key) }, func(i int) float32 {
			if word(i) < uint32(p*(1<<32)) {
				return 0
			}
			return 1 / (1 - float32(p))
		}},
		{"Noise", zeros, func() { h.big.Noise(y.big, x.big, 1, key) }, normal},
		{"RegionNoise", zeros, func() { h.big.RegionNoise(y.big, x.big, mask.big, stats.big, key) }, normal},
	} {
		h.name = c.name
		h.upload(x, c.x)
		c.run()
		got, _ := h.end(y)
		for i := n - 1024; i < n; i++ {
			require.Equal(h.t, c.want(i), got[i], "%s: element %d of %d", c.name, i, n)
		}
	}
	h.free(x, y, mask, stats)
}

func (h *huge) images(s device.Shape) {
	x, z, one, peak, coef := h.normal(s), h.normal(s), h.normal(device.Scalar()), h.normal(device.Vec(2)), h.normal(device.Vec(20))
	small := h.normal(device.Matrix(8, 8))
	single := s
	single.N = 1
	for _, call := range []struct {
		name string
		run  func(b *Backend, of func(ends) device.Tensor, y device.Tensor)
	}{
		{"AlongAxis W", func(b *Backend, of func(ends) device.Tensor, y device.Tensor) {
			b.AlongAxis(set(y), of(x), of(small), 2)
		}},
		{"AlongAxis H", func(b *Backend, of func(ends) device.Tensor, y device.Tensor) {
			b.AlongAxis(set(y), of(x), of(small), 1)
		}},
		{"Resample", func(b *Backend, of func(ends) device.Tensor, y device.Tensor) {
			b.Resample(y, of(x), of(one), [3][4]float64{{0.9, 0.1, 0, 0}, {0, 0.9, 0, 0.4}, {0, 0, 1, -0.25}})
		}},
		{"Blend", func(b *Backend, of func(ends) device.Tensor, y device.Tensor) { b.Blend(y, of(x), of(z), 0.3, 2) }},
		{"BiasField", func(b *Backend, of func(ends) device.Tensor, y device.Tensor) { b.BiasField(y, of(x), of(coef), 3) }},
		{"SpikeInImage", func(b *Backend, of func(ends) device.Tensor, y device.Tensor) {
			b.SpikeInImage(y, of(x), of(peak), [3]int{1, 2, 3}, 2)
		}},
		{"Select", func(b *Backend, of func(ends) device.Tensor, y device.Tensor) { b.Select(y, of(z), of(x), of(z)) }},
	} {
		y := h.result(s)
		h.both(call.name, func(b *Backend, of func(ends) device.Tensor) { call.run(b, of, of(y)) })
		h.same(y)
	}
	y := h.result(s)
	orient := func(b *Backend, of func(ends) device.Tensor) {
		b.Orient(of(y), of(x), [3]int{0, 2, 1}, [3]bool{true, false, true})
	}
	if s.Len() <= math.MaxUint32 {
		h.both("Orient", orient)
		h.same(y)
	} else {
		require.PanicsWithValue(h.t, fmt.Sprintf("cuda: Orient: %d vectors are more than a kernel can count", s.Len()), func() { h.both("Orient", orient) })
		h.free(y)
	}
	put := h.normal(single)
	batch, got := h.result(s), h.result(single)
	h.name = "PutSample"
	h.big.PutSample(batch.big, s.N-1, put.big)
	h.all.PutSample(batch.all, endSamples-1, put.all)
	h.big.TakeSample(got.big, batch.big, s.N-1)
	h.all.TakeSample(got.all, batch.all, endSamples-1)
	h.same(batch)
	h.same(got)
	h.free(x, z, one, peak, coef, small, put)
}
