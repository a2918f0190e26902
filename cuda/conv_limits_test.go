package cuda

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/device"
)

func TestConvRefusesWhatItCannotCount(t *testing.T) {
	_, b := onEmulator(t, nil)
	x := b.Alloc(device.Shape{N: 1, D: 40, H: 40, W: 40, C: 1})
	w := b.Alloc(device.Weights(1, 1, 1))
	y := b.Alloc(device.Shape{N: 1, D: 1, H: 1, W: 1, C: 1})
	require.PanicsWithValue(t, "cuda: Conv: a stride of 50 is too large", func() {
		b.Conv(y, x, w, device.Tensor{}, device.ConvParams{K: 1, Stride: 50}, device.Linear)
	})
	require.NoError(t, b.Sync(), "the backend is not left locked")
	require.NoError(t, b.Close())
}

// The step between the first and the last position of a window is a number of 32 bits, for lines and
// single voxels as for planes.
func TestConvSizesAtTheLimit(t *testing.T) {
	small := device.Shape{N: 1, D: 1, H: 1, W: 1, C: 1}
	check := func(s device.Shape, k int) {
		(&op{b: &Backend{}, name: "Test"}).checkSizes(s, small, device.ConvParams{K: k, Stride: 1, Pad: k / 2})
	}
	for _, s := range []device.Shape{{N: 1, D: 1, H: 1, W: 1, C: 1}, {N: 1, D: 9, H: 1, W: 1, C: 1}, {N: 1, D: 9, H: 1, W: 7, C: 1}, {N: 1, D: 9, H: 5, W: 7, C: 1}} {
		for _, k := range []int{2, 3, 5, 7} {
			last := func() int { return (k-1)*(s.H*s.W+s.W+1)*s.C + s.C }
			s.C = 1
			s.C = math.MaxInt32 / last()
			require.LessOrEqual(t, last(), math.MaxInt32)
			s.C += s.C / 100
			require.Greater(t, last(), math.MaxInt32)
			require.Panics(t, func() { check(s, k) }, "%v, k %d", s, k)
			s.C /= 4
			require.NotPanics(t, func() { check(s, k) }, "%v, k %d", s, k)
		}
	}
}

// The last share of a gradient of weights ends at the last voxel, also where a whole share more would be
// beyond 2³¹. The kernel is launched as no shapes would, so that its last blocks have little to do.
func TestLastShareBeyond32Bits(t *testing.T) {
	const (
		share  = 1<<31 - 4096
		behind = 40
		rows   = share + behind
		cg     = 1024 * 32 // the blocks of a share, so that only the last ones are executed
	)
	_, b := onEmulator(t, []emu.Option{emu.EndsOnly(16<<20, 3), emu.LastRow(), emu.Memory(1 << 50)}, WithoutPool())
	g, p := b.Alloc(device.Shape{N: rows / 8, D: 2, H: 2, W: 2, C: cg}), b.Alloc(device.Shape{N: rows / 8, D: 2, H: 2, W: 2, C: 1})
	part := b.Alloc(device.Vec(2 * cg))
	upload := func(x device.Tensor, v []float32) {
		require.NoError(t, b.drv.ToDevice(x.Mem.(*buffer).ptr+driver.Ptr(4*(x.Len()-len(v))), bytesOf(v)))
	}
	gathered, plain := make([]float32, behind*cg), make([]float32, behind)
	for i := range gathered {
		gathered[i] = 1
	}
	for i := range plain {
		plain[i] = float32(i)
	}
	upload(g, gathered)
	upload(p, plain)
	o := b.begin("Test")
	at := func(t device.Tensor) driver.Ptr { return t.Mem.(*buffer).ptr }
	d := dividing(2)
	o.launch("conv_grad", "grad_flat_square", driver.Launch{Grid: driver.Dim{X: cg / 32, Y: 1, Z: 2}, Block: driver.D1(square.threads)},
		at(part), driver.Ptr(0), at(g), at(p), 2, 2, 2, cg, rows, 2, 2, 2, 1, 1, 1, 0, share, d.mul, d.mul, d.mul, d.shift, d.shift, d.shift)
	o.end()
	require.NoError(t, b.Sync())
	got := make([]float32, 64)
	require.NoError(t, b.drv.ToHost(bytesOf(got), at(part)+driver.Ptr(4*(2*cg-len(got)))))
	for _, v := range got {
		require.Equal(t, float32(behind*(behind-1)/2), v)
	}
	require.NoError(t, b.Close())
}
