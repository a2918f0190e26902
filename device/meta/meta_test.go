package meta_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/meta"
)

func TestMemoryIsCounted(t *testing.T) {
	b := meta.New(1000)
	x := b.Alloc(device.Vec(100))
	y := b.Alloc(device.Vec(50))
	now, peak := b.Usage()
	require.EqualValues(t, 600, now)
	require.EqualValues(t, 600, peak)
	b.Free(x)
	now, peak = b.Usage()
	require.EqualValues(t, 200, now)
	require.EqualValues(t, 600, peak)
	b.ResetPeak()
	_, peak = b.Usage()
	require.EqualValues(t, 200, peak)
	require.Panics(t, func() { b.Free(x) })
	require.Panics(t, func() { b.Fill(x, 1) }, "use after Free")
	require.Panics(t, func() { meta.New(0).Fill(y, 1) }, "another backend's tensor")
	require.Panics(t, func() { b.Alloc(device.Shape{N: 1}) })
	b.Free(device.Tensor{})

	require.NoError(t, b.Sync())
	z := b.Alloc(device.Vec(200)) // exactly to the limit
	require.NoError(t, b.Sync())
	b.Alloc(device.Scalar())
	require.ErrorContains(t, b.Sync(), "4 bytes wanted, 1000 in use, the limit is 1000")
	b.Free(z)
	require.Error(t, b.Sync(), "the failure sticks")
}

func TestWorkIsCounted(t *testing.T) {
	b := meta.New(0)
	x := b.Alloc(device.Shape{N: 2, D: 4, H: 5, W: 6, C: 3})
	y := b.Alloc(x.WithC(7))
	w, bias := b.Alloc(device.Weights(3, 3, 7)), b.Alloc(device.Vec(7))
	add := func(x device.Tensor) device.Into { return device.Into{Tensor: x, Mode: device.Add} }
	set := func(x device.Tensor) device.Into { return device.Into{Tensor: x, Mode: device.Set} }
	const voxels, flops = 240, 2 * 240 * 27 * 3 * 7

	b.Conv(y, x, w, bias, device.Conv3x3x3, device.ReLU)
	require.Equal(t, meta.Work{Calls: 1, Flops: flops, Bytes: 4 * (10*voxels + 27*21 + 7)}, b.Work()["Conv"])
	b.ConvGradX(add(x), y, w, device.Conv3x3x3)
	require.Equal(t, meta.Work{Calls: 1, Flops: flops, Bytes: 4 * (13*voxels + 27*21)}, b.Work()["ConvGradX"])
	b.ConvGradX(device.Into{}, y, w, device.Conv3x3x3)
	require.EqualValues(t, 1, b.Work()["ConvGradX"].Calls, "a skipped gradient is no work")
	b.ConvGradW(set(w), device.Into{}, x, y, device.Conv3x3x3)
	require.Equal(t, meta.Work{Calls: 1, Flops: flops, Bytes: 4 * (10*voxels + 27*21)}, b.Work()["ConvGradW"])

	b.ResetWork()
	big := b.Alloc(device.ConvT2x2x2.OutT(x.Shape, 7))
	u := b.Alloc(device.Weights(2, 3, 7))
	b.ConvT(big, x, u, device.Tensor{}, device.ConvT2x2x2)
	b.ConvTGradX(set(x), big, u, device.ConvT2x2x2)
	b.ConvTGradW(set(u), set(bias), x, big, device.ConvT2x2x2)
	for _, op := range []string{"ConvT", "ConvTGradX", "ConvTGradW"} {
		require.EqualValues(t, 2*voxels*8*3*7, b.Work()[op].Flops, op)
	}
	require.EqualValues(t, 3, b.Total().Calls)

	got := []float32{1, 2, 3, 4, 5, 6, 7}
	b.Download(got, bias)
	require.Equal(t, make([]float32, 7), got)
}

func TestWorkOnImagesIsCounted(t *testing.T) {
	b := meta.New(0)
	s := device.Shape{N: 1, D: 4, H: 5, W: 6, C: 1}
	x, y, z := b.Alloc(s), b.Alloc(s), b.Alloc(s)
	small := b.Alloc(device.Shape{N: 1, D: 4, H: 3, W: 6, C: 1})
	m, one, two, coef := b.Alloc(device.Matrix(3, 5)), b.Alloc(device.Scalar()), b.Alloc(device.Vec(2)), b.Alloc(device.Vec(20))
	batch := b.Alloc(device.Shape{N: 3, D: 4, H: 5, W: 6, C: 1})
	into := func(m device.Mode) device.Into { return device.Into{Tensor: small, Mode: m} }
	const voxels = 120
	b.AlongAxis(into(device.Skip), x, m, 1)
	require.Zero(t, b.Total().Calls)
	b.AlongAxis(into(device.Set), x, m, 1)
	require.Equal(t, meta.Work{Calls: 1, Flops: 2 * 72 * 5, Bytes: 4 * (voxels + 72 + 15)}, b.Work()["AlongAxis"])
	b.AlongAxis(into(device.Add), x, m, 1)
	require.EqualValues(t, 4*(2*voxels+3*72+30), b.Work()["AlongAxis"].Bytes, "what is added to is read as well")

	b.Orient(y, x, [3]int{0, 1, 2}, [3]bool{})
	b.Resample(y, x, one, [3][4]float64{})
	b.Blend(y, x, z, 1, 1)
	b.Min(one, x)
	b.BiasField(y, x, coef, 3)
	b.Noise(y, x, 1, 1)
	b.KSpacePeak(two, x, y)
	b.KSpaceSpike(x, y, two, [3]int{}, 1)
	b.SpikeInImage(y, x, two, [3]int{}, 1)
	b.RegionStats(two, x, z)
	b.RegionNoise(y, x, z, two, 1)
	b.Select(y, z, x, y)
	b.PutSample(batch, 2, x)
	b.TakeSample(x, batch, 2)
	for op, floats := range map[string]int64{
		"Orient": 2 * voxels, "Resample": 2*voxels + 1, "Blend": 3 * voxels, "Min": voxels + 1, "BiasField": 2*voxels + 20, "Noise": 2 * voxels,
		"KSpacePeak": 2*voxels + 2, "KSpaceSpike": 6, "SpikeInImage": 2*voxels + 2, "RegionStats": 2*voxels + 2, "RegionNoise": 3*voxels + 2, "Select": 4 * voxels,
		"PutSample": 2 * voxels, "TakeSample": 2 * voxels,
	} {
		require.Equal(t, meta.Work{Calls: 1, Bytes: 4 * floats}, b.Work()[op], op)
	}
	b.Free(batch)
	require.Panics(t, func() { b.PutSample(batch, 0, x) }, "use after Free")
}
