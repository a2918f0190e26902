package cuda

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/devicetest"
)

// storing is a backend that stores whatever has more than one row in bf16.
type storing struct{ *Backend }

func stores(s device.Shape) bool { return s.Rows() > 1 }

func (b storing) Alloc(s device.Shape) device.Tensor {
	e := fp32
	if stores(s) {
		e = bf16
	}
	return b.alloc(s, 0, e)
}

// GuardAlloc leaves it to the emulator, which sees every access outside an allocation.
func (b storing) GuardAlloc(s device.Shape, _ int) (device.Tensor, func() error) {
	return b.Alloc(s), b.Sync
}

func onStorage(t testing.TB, opts ...emu.Option) (*emu.Device, storing) {
	d, b := emulatedCores(t, BF16, opts...)
	return d, storing{b}
}

// inStorage judges results that are stored in bf16.
func inStorage() devicetest.Options {
	return devicetest.Options{Conv: devicetest.BFloat16, Operand: toBF16, Stored: func(s device.Shape) func(float32) float32 {
		if stores(s) {
			return toBF16
		}
		return nil
	}}
}

// Every operation on tensors stored in bf16, parameters of several rows too: results of those that have kernels of their own, and of those that
// are widened before, are what float32 arithmetic makes of what was stored, rounded once.
func TestStorageConformance(t *testing.T) {
	d, b := onStorage(t, emu.BlockRaces())
	worst, at := 0.0, ""
	chosen := map[string]bool{}
	for _, c := range append(onCores(inStorage(), products...), onFew(inStorage(), products[:6]...)...) {
		chosen[c.Name] = true
	}
	n, note := 0, conformance.in("stored in bf16, beyond rounding once")
	for _, c := range devicetest.Cases(inStorage()) {
		method := c.Methods[0]
		product := strings.HasPrefix(method, "Conv") || strings.HasPrefix(method, "CatConv")
		if c.Closes || c.Imaging || len(c.Shapes) == 0 || product && !chosen[c.Name] {
			continue
		}
		n++
		rep, err := c.Check(b)
		require.NoError(t, err)
		note(c, rep)
		if rep.Bound > 0 && rep.MaxErr/rep.Bound > worst {
			worst, at = rep.MaxErr/rep.Bound, fmt.Sprintf("%s, %s, NMSE %.2g", c.Name, rep.What, rep.NMSE)
		}
	}
	t.Logf("%d cases, largest error %.2f of its bound: %s", n, worst, at)
	conformance.log(t)
	stats := d.Stats()
	for _, name := range entries(t) {
		if (strings.HasSuffix(name, "_bf16") || name == "mma_finish") && name != "copy_bf16" && name != "accumulate_bf16" && name != "mma_round_bf16" {
			require.NotZero(t, stats[name].Launches, name)
		}
	}
	require.NoError(t, b.Close())
}

// What goes in and comes out of a tensor in bf16 is float32, rounded to the nearest, ties to even; NaN stays, of any payload.
func TestStorageTransfers(t *testing.T) {
	d, b := onStorage(t)
	in := []float32{1, 1 + 0x1p-8, 1 + 3*0x1p-8, -1 - 0x1.8p-8, float32(math.Inf(1)), math.MaxFloat32, 0x1p-130, math.Float32frombits(0x7f800001), 3}
	want := []float32{1, 1, 1 + 0x1p-6, -1 - 0x1p-7, float32(math.Inf(1)), float32(math.Inf(1)), 0x1p-130, float32(math.NaN()), 3}
	s := device.Shape{N: 1, D: 1, H: 1, W: len(in), C: 1}
	x := b.Alloc(s)
	require.EqualValues(t, 4*5, x.Mem.Bytes(), "two bytes each, whole words")
	b.Upload(x, in)
	same := func(got []float32) {
		for i, v := range got {
			require.True(t, v == want[i] || v != v && want[i] != want[i], "element %d is %g, not %g", i, v, want[i])
		}
	}
	got := make([]float32, len(in))
	b.Download(got, x)
	same(got)
	f, err := b.Fetch(x).Read()
	require.NoError(t, err)
	same(f)
	wide, back := b.Backend.Alloc(s), b.Alloc(s)
	for _, dst := range []device.Tensor{wide, back} {
		b.Copy(device.Into{Tensor: dst, Mode: device.Set}, x)
		b.Download(got, dst)
		same(got)
	}
	b.Upload(wide, in)
	b.Copy(device.Into{Tensor: back, Mode: device.Set}, wide)
	b.Download(got, back)
	same(got)
	for _, k := range []struct{ dst, src device.Tensor }{{wide, x}, {back, x}, {back, wide}} {
		b.Fill(k.dst, 2)
		b.Fill(k.src, 0x1p-7)
		b.Copy(device.Into{Tensor: k.dst, Mode: device.Add}, k.src)
		b.Download(got, k.dst)
		for _, v := range got {
			if elementOf(k.dst) == fp32 {
				require.EqualValues(t, 2+0x1p-7, v)
			} else {
				require.EqualValues(t, 2, v, "half a step, to even")
			}
		}
	}
	require.NoError(t, b.Sync())
	now, _ := b.Usage()
	require.EqualValues(t, 2*20+36, now)
	for _, x := range []device.Tensor{x, wide, back} {
		b.Free(x)
	}
	now, _ = b.Usage()
	require.Zero(t, now)
	for _, name := range []string{"copy_bf16", "accumulate_bf16", "widen_bf16", "round_bf16"} {
		require.NotZero(t, d.Stats()[name].Launches, name)
	}
	require.NoError(t, b.Close())
}

// Which tensors are stored in bf16: activations wide enough for tensor cores, under that precision alone.
func TestWhatIsStored(t *testing.T) {
	wide, thin := device.Shape{N: 1, D: 2, H: 2, W: 2, C: mmaLeast}, device.Shape{N: 1, D: 2, H: 2, W: 2, C: mmaLeast - 1}
	for _, p := range []Precision{FP32, TF32, BF16} {
		_, b := emulatedCores(t, p)
		require.Equal(t, p == BF16, elementOf(device.AllocActivation(b, wide)) == bf16)
		require.Equal(t, fp32, elementOf(device.AllocActivation(b, thin)))
		require.Equal(t, fp32, elementOf(b.Alloc(wide)))
		require.NoError(t, b.Close())
	}
}

// A kernel of another package reads float32, so it is not handed anything else.
func TestForeignKernelsRefuseBF16(t *testing.T) {
	_, b := emulatedCores(t, BF16)
	m, err := b.module("relu")
	require.NoError(t, err)
	x := b.AllocActivation(device.Shape{N: 1, D: 1, H: 1, W: 2, C: 8})
	require.PanicsWithValue(t, "cuda: mine: kernel relu_grad, argument 0 [1 1 1 2 8] is stored in bf16; Copy it from or to a tensor of Alloc", func() {
		m.Launch("mine", "relu_grad", PerElement(16, 4), device.Into{Tensor: x, Mode: device.Set}, x, x, 16, false)
	})
	require.NoError(t, b.Close())
}
