package cuda

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/device"
)

func TestLaunchChecksArguments(t *testing.T) {
	_, b := onEmulator(t, nil)
	call := func(l driver.Launch, args ...any) (msg string) {
		o := b.begin("Test")
		defer o.end()
		defer func() { msg, _ = recover().(string) }()
		o.launch("relu", "relu_grad", l, args...)
		return ""
	}
	p := driver.Ptr(1)
	require.Equal(t, "cuda: Test: emulator: kernel relu_grad: 2 arguments, the entry has 5 parameters "+
		"(launched with grid (1,1,1), block (256,1,1), 0 bytes of dynamic shared memory)", call(blocks(1, 256), p, p))
	require.Contains(t, call(blocks(1, 256), p, p, p, 1, float32(1)),
		"argument 4, for parameter relu_grad_param_4, is float32 1, which is no .u32 or does not fit its 4 bytes")
	require.Contains(t, call(blocks(1, 1056), p, p, p, 1, 0), "kernel relu_grad: a block must be within")
	require.Contains(t, call(driver.Launch{Grid: driver.Dim{X: 1, Y: 65536, Z: 1}, Block: driver.D1(32)}, p, p, p, 1, 0), "the grid must be within")
	require.NoError(t, b.Sync())

	require.PanicsWithValue(t, "cuda: Test: module relu.sm_61: emulator: the module has no kernel absent; it has [relu_grad]", func() {
		o := b.begin("Test")
		defer o.end()
		o.launch("relu", "absent", blocks(1, 32))
	})
	require.NoError(t, b.Sync())
	require.NoError(t, b.Close())
}

const affine = `
.version 7.8
.target sm_61
.address_size 64
.visible .entry affine(.param .u64 y, .param .u64 x, .param .u32 n, .param .f32 a, .param .u64 b)
{
	.reg .pred %p<3>;
	.reg .b32 %r<5>;
	.reg .f32 %f<4>;
	.reg .b64 %rd<6>;
	.shared .align 4 .b8 s[4];
	ld.param.u64 %rd1, [y];
	ld.param.u64 %rd2, [x];
	ld.param.u32 %r1, [n];
	ld.param.f32 %f1, [a];
	ld.param.u64 %rd5, [b];
	mov.u32 %r2, %ctaid.x;
	mov.u32 %r3, %ntid.x;
	mov.u32 %r4, %tid.x;
	mad.lo.u32 %r2, %r2, %r3, %r4;
	setp.ge.u32 %p1, %r2, %r1;
	@%p1 ret;
	mul.wide.u32 %rd3, %r2, 4;
	add.u64 %rd4, %rd2, %rd3;
	ld.global.f32 %f2, [%rd4];
	mov.f32 %f3, 0f00000000;
	setp.eq.u64 %p2, %rd5, 0;
	@%p2 bra done;
	ld.global.f32 %f3, [%rd5];
done:
	fma.rn.f32 %f2, %f1, %f2, %f3;
	add.u64 %rd4, %rd1, %rd3;
	st.global.f32 [%rd4], %f2;
	ret;
}
`

// PTX of one's own is launched with every check that the backend's own has.
func TestModule(t *testing.T) {
	files := fstest.MapFS{"own/affine.sm_61.ptx": {Data: []byte(affine)}, "bad.sm_61.ptx": {Data: []byte(".version 7.8\n nonsense")}}
	_, b := onEmulator(t, nil, WithoutPool())
	_, err := b.Load(files, "absent")
	require.EqualError(t, err, `cuda: emulator: kernels: there is no module "absent": no file absent.sm_NN.ptx`)
	_, err = b.Load(files, "bad")
	require.ErrorContains(t, err, "cuda: emulator: module bad.sm_61: emulator: ptx: line 2")
	m, err := b.Load(files, "own/affine")
	require.NoError(t, err, "and the backend is as it was")

	x, y, bias := b.Alloc(device.Vec(300)), b.Alloc(device.Vec(300)), b.Alloc(device.Scalar())
	b.Fill(x, 3)
	b.Fill(bias, 0.5)
	at := func(i int) float32 {
		v := make([]float32, 300)
		b.Download(v, y)
		require.NoError(t, b.Sync())
		return v[i]
	}
	m.Launch("Affine", "affine", PerElement(300, 1), y, x, 300, float32(2), bias)
	require.Equal(t, float32(6.5), at(299))
	m.Launch("Affine", "affine", PerElement(300, 1), device.Into{Tensor: y, Mode: device.Set}, x, 300, float32(2), driver.Ptr(0))
	require.Equal(t, float32(6), at(299))
	m.Launch("Affine", "affine", PerElement(300, 1), y, x, 300, float32(2), device.Into{Tensor: bias})
	require.Equal(t, float32(6), at(299), "an Into that is skipped is a null pointer")

	_, other := onEmulator(t, nil)
	foreign, freed := other.Alloc(device.Vec(300)), b.Alloc(device.Vec(300))
	b.Free(freed)
	short := x
	short.W++
	ok := PerElement(300, 1)
	for want, call := range map[string]func(){
		"cuda: Affine: module own/affine.sm_61: emulator: the module has no kernel absent; it has [affine]": func() { m.Launch("Affine", "absent", ok) },
		"4 arguments, the entry has 5 parameters":                                                           func() { m.Launch("Affine", "affine", ok, y, x, 300, float32(2)) },
		"argument 2, for parameter n, is int 4294967296, which is no .u32 or does not fit its 4 bytes":      func() { m.Launch("Affine", "affine", ok, y, x, 1<<32, float32(2), bias) },
		"argument 2, for parameter n, is int64 -2147483649":                                                 func() { m.Launch("Affine", "affine", ok, y, x, int64(-1<<31-1), float32(2), bias) },
		"argument 3, for parameter a, is int 2, which is no .f32":                                           func() { m.Launch("Affine", "affine", ok, y, x, 300, 2, bias) },
		"argument 3, for parameter a, is uint64 3, which is no .f32":                                        func() { m.Launch("Affine", "affine", ok, y, x, 300, uint64(3), bias) },
		"argument 3, for parameter a, is driver.Ptr ":                                                       func() { m.Launch("Affine", "affine", ok, y, x, 300, x, bias) },
		"argument 4, for parameter b, is <nil> <nil>":                                                       func() { m.Launch("Affine", "affine", ok, y, x, 300, float32(2), nil) },
		"argument 4, for parameter b, is []float32 [1]":                                                     func() { m.Launch("Affine", "affine", ok, y, x, 300, float32(2), []float32{1}) },
		"cuda: Affine: kernel affine, argument 1 [1 1 1 1 300] is not from this backend":                    func() { m.Launch("Affine", "affine", ok, y, foreign, 300, float32(2), bias) },
		"cuda: Affine: kernel affine, argument 1 [1 1 1 1 300] was freed before":                            func() { m.Launch("Affine", "affine", ok, y, freed, 300, float32(2), bias) },
		"cuda: Affine: kernel affine, argument 1 [1 1 1 2 300] is in memory for 300 elements":               func() { m.Launch("Affine", "affine", ok, y, short, 300, float32(2), bias) },
		"cuda: Affine: kernel affine, argument 0 is absent":                                                 func() { m.Launch("Affine", "affine", ok, device.Tensor{}, x, 300, float32(2), bias) },
		"the grid must be within":                                                                           func() { m.Launch("Affine", "affine", PerElement(0, 1), y, x, 300, float32(2), bias) },
		"a block must be within":                                                                            func() { m.Launch("Affine", "affine", blocks(1, 1025), y, x, 300, float32(2), bias) },
		"of dynamic shared memory, a block may have": func() {
			m.Launch("Affine", "affine", driver.Launch{Grid: ok.Grid, Block: ok.Block, Shared: 1 << 20}, y, x, 300, float32(2), bias)
		},
	} {
		msg := func() (msg any) {
			defer func() { msg = recover() }()
			call()
			return nil
		}()
		require.Contains(t, msg, want)
		require.NoError(t, b.Sync(), "a mistake does not lose the device, nor leave it locked")
	}

	m.Launch("Affine", "affine", ok, y, x, 301, float32(2), bias)
	var f *emu.Fault
	require.ErrorAs(t, b.Sync(), &f)
	require.Equal(t, emu.OutOfRange, f.Kind)
	require.ErrorContains(t, b.Sync(), "cuda: emulator: Affine, kernel affine (grid (2,1,1), block (256,1,1)")
	_, err = b.Load(files, "own/affine")
	require.ErrorAs(t, err, &f, "nothing is done after a failure")
	m.Launch("Affine", "affine", ok)

	require.NoError(t, other.Close())
	m, err = other.Load(files, "own/affine")
	require.Nil(t, m)
	require.ErrorIs(t, err, errClosed)
}

// A late failure names the launches of own kernels among the others.
func TestModuleLateError(t *testing.T) {
	f, b, dst, src := onFaulty(t)
	m, err := b.Load(fstest.MapFS{"affine.sm_61.ptx": {Data: []byte(affine)}}, "affine")
	require.NoError(t, err)
	b.Copy(dst, src)
	m.Launch("Affine", "affine", PerElement(5000, 1), dst, src, 5000, float32(1), driver.Ptr(0))
	f.sync = errors.New("CUDA_ERROR_ILLEGAL_ADDRESS")
	require.ErrorContains(t, b.Sync(), "one of the last 2 kernels failed, the newest is affine of Affine (grid (20,1,1)")
}

func TestBadModule(t *testing.T) {
	_, b := onEmulator(t, nil)
	b.source = func(string, int) (string, string, error) { return ".version 7.8\n nonsense", "sm_61", nil }
	x := b.Alloc(device.Vec(1))
	b.Fill(x, 1)
	y := b.Alloc(device.Vec(1))
	b.Softmax(y, x)
	require.ErrorContains(t, b.Sync(), "module loss.sm_61: emulator: ptx: line 2")
	require.ErrorContains(t, b.Sync(), "update it, or use the cpu")
}
