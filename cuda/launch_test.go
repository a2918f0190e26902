package cuda

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/ptx"
	"voxgrad/device"
)

func TestSlot(t *testing.T) {
	for _, c := range []struct {
		arg  any
		t    ptx.Type
		want uint64
		ok   bool
	}{
		{driver.Ptr(5), "u64", 5, true},
		{driver.Ptr(5), "u32", 0, false},
		{-1, "u32", 0xffffffff, true},
		{-1, "u64", math.MaxUint64, true},
		{1 << 31, "u32", 0, false},
		{1 << 31, "u64", 1 << 31, true},
		{uint32(1 << 31), "u32", 1 << 31, true},
		{uint32(1 << 31), "s64", 1 << 31, true},
		{uint32(1), "f32", 0, false},
		{uint32(1), "f64", 0, false},
		{uint32(1), "u16", 0, false},
		{1, "f32", 0, false},
		{float32(1), "f32", 0x3f800000, true},
		{float32(1), "f64", 0, false},
		{1.0, "f64", 0x3ff0000000000000, true},
		{1.0, "u64", 0, false},
		{true, "u32", 1, true},
		{false, "u64", 0, true},
		{uint64(7), "u32", 0, false},
		{"x", "u64", 0, false},
	} {
		got, ok := slot(c.arg, c.t)
		require.Equal(t, c.ok, ok, "%T %v for .%s", c.arg, c.arg, c.t)
		if ok {
			require.Equal(t, c.want, got, "%T %v for .%s", c.arg, c.arg, c.t)
		}
	}
}

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
	require.Equal(t, "cuda: Test: kernel relu_grad has 5 parameters, 2 arguments given", call(blocks(1, 256), p, p))
	require.Equal(t, "cuda: Test: kernel relu_grad, parameter 4 is a .u32, the argument is float32 1", call(blocks(1, 256), p, p, p, 1, float32(1)))
	require.Contains(t, call(blocks(1, 1056), p, p, p, 1, 0), "kernel relu_grad cannot be launched with")
	require.Contains(t, call(driver.Launch{Grid: driver.Dim{X: 1, Y: 65536, Z: 1}, Block: driver.D1(32)}, p, p, p, 1, 0), "cannot be launched")
	require.NoError(t, b.Sync())

	o := b.begin("Test")
	o.launch("relu", "absent", blocks(1, 32))
	o.end()
	require.ErrorContains(t, b.Sync(), "module relu.sm_61 has no kernel absent")
}

func TestBadModule(t *testing.T) {
	_, b := onEmulator(t, nil)
	b.source = func(string, int) (string, string, error) { return ".version 7.8\n nonsense", "sm_61", nil }
	x := b.Alloc(device.Vec(1))
	b.Fill(x, 1)
	y := b.Alloc(device.Vec(1))
	b.Softmax(y, x)
	require.ErrorContains(t, b.Sync(), "module loss.sm_61: ptx: line 2")
	require.ErrorContains(t, b.Sync(), "update it, or use the cpu")
}
