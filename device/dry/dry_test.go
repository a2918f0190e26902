package dry_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/dry"
)

func TestMemoryIsCounted(t *testing.T) {
	b := dry.New(1000)
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
	require.Panics(t, func() { dry.New(0).Fill(y, 1) }, "another backend's tensor")
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
	b := dry.New(0)
	x := b.Alloc(device.Shape{N: 2, D: 4, H: 5, W: 6, C: 3})
	y := b.Alloc(x.WithC(7))
	w, bias := b.Alloc(device.Weights(3, 3, 7)), b.Alloc(device.Vec(7))
	add := func(x device.Tensor) device.Into { return device.Into{Tensor: x, Mode: device.Add} }
	set := func(x device.Tensor) device.Into { return device.Into{Tensor: x, Mode: device.Set} }
	const voxels, flops = 240, 2 * 240 * 27 * 3 * 7

	b.Conv(y, x, w, bias, device.Same, device.ReLU)
	require.Equal(t, dry.Work{Calls: 1, Flops: flops, Bytes: 4 * (10*voxels + 27*21 + 7)}, b.Work()["Conv"])
	b.ConvGradX(add(x), y, w, device.Same)
	require.Equal(t, dry.Work{Calls: 1, Flops: flops, Bytes: 4 * (13*voxels + 27*21)}, b.Work()["ConvGradX"])
	b.ConvGradX(device.Into{}, y, w, device.Same)
	require.EqualValues(t, 1, b.Work()["ConvGradX"].Calls, "a skipped gradient is no work")
	b.ConvGradW(set(w), device.Into{}, x, y, device.Same)
	require.Equal(t, dry.Work{Calls: 1, Flops: flops, Bytes: 4 * (10*voxels + 27*21)}, b.Work()["ConvGradW"])

	b.ResetWork()
	big := b.Alloc(device.Double.OutT(x.Shape, 7))
	u := b.Alloc(device.Weights(2, 3, 7))
	b.ConvT(big, x, u, device.Tensor{}, device.Double)
	b.ConvTGradX(set(x), big, u, device.Double)
	b.ConvTGradW(set(u), set(bias), x, big, device.Double)
	for _, op := range []string{"ConvT", "ConvTGradX", "ConvTGradW"} {
		require.EqualValues(t, 2*voxels*8*3*7, b.Work()[op].Flops, op)
	}
	require.EqualValues(t, 3, b.Total().Calls)

	got := []float32{1, 2, 3, 4, 5, 6, 7}
	b.Download(got, bias)
	require.Equal(t, make([]float32, 7), got)
}
