//go:build cuda && cgo && linux && amd64

package gpu

import (
	"encoding/binary"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

func TestFakeLaunch(t *testing.T) {
	d := fake(t)
	k := load(t, d, "echo4")
	out, err := d.Alloc(8 * 14)
	require.NoError(t, err)
	for _, shared := range []int{0, 40 << 10, 98 << 10} {
		l := driver.Launch{Grid: driver.Dim{X: 3, Y: 5, Z: 7}, Block: driver.Dim{X: 11, Y: 2, Z: 4}, Shared: shared}
		args := []any{out, uint32(0xfffffffe), float32(-1.5), math.Pi}
		want := []uint64{3, 5, 7, 11, 2, 4, uint64(shared), 5, 0, 1, uint64(out), 0xfffffffe, uint64(math.Float32bits(-1.5)), math.Float64bits(math.Pi)}
		if shared+1024 > 48<<10 { // with the static part more than what a block has anyway
			want[8] = uint64(shared)
		}
		require.NoError(t, d.Launch(k, l, args...))
		clear(args) // a launch keeps nothing of the caller's
		raw := make([]byte, 8*len(want))
		require.NoError(t, d.ToHost(raw, out))
		for i, w := range want {
			require.Equal(t, w, binary.LittleEndian.Uint64(raw[8*i:]), "word %d, %d bytes of shared memory", i, shared)
		}
	}
}

func TestFakeLaunchRefused(t *testing.T) {
	d := fake(t)
	one := driver.Launch{Grid: driver.D1(1), Block: driver.D1(1)}
	echo, none, exact := load(t, d, "echo4"), load(t, d, "nothing0"), load(t, d, "exact0")
	require.ErrorContains(t, d.Launch(echo, one, 1, 2, 3), "3 arguments, the entry has 4 parameters")
	require.ErrorContains(t, d.Launch(none, one, 1), "1 arguments, the entry has 0 parameters")
	require.ErrorContains(t, d.Launch(echo, one, 1, 1<<32, float32(3), 4.0), "argument 1, for parameter n, is int 4294967296, which is no .u32 or does not fit its 4 bytes")
	require.ErrorContains(t, d.Launch(echo, one, 1, 2, uint64(3), 4.0), "argument 2, for parameter x, is uint64 3, which is no .f32")
	require.True(t, driver.IsArgument(d.Launch(echo, one, 1, 2, float32(3), float32(4))), "a float32 for a double")
	require.ErrorContains(t, d.Launch(exact, one), "blocks of exactly [64 1 1] threads")
	for want, l := range map[string]driver.Launch{
		"the grid must be within":            {Grid: driver.Dim{X: 1, Y: 65536, Z: 1}, Block: driver.D1(1)},
		"at most 1024":                       {Grid: driver.D1(1), Block: driver.D1(1025)},
		"at most 512 threads":                {Grid: driver.D1(1), Block: driver.D1(513)},
		"a negative size":                    {Grid: driver.D1(1), Block: driver.D1(1), Shared: -1},
		"1024 bytes of static and 101376 of": {Grid: driver.D1(1), Block: driver.D1(1), Shared: 99 << 10},
		"a block must be":                    {Grid: driver.D1(1), Block: driver.Dim{X: 1, Y: 1}},
	} {
		require.ErrorContains(t, d.Launch(none, l), want)
	}
	other := fake(t)
	require.ErrorContains(t, other.Launch(none, one), "another device")
	require.NoError(t, d.Launch(none, one))
	require.NoError(t, d.Sync())
}

func TestFakeLoad(t *testing.T) {
	d := fake(t)
	_, err := d.Load("nonsense")
	require.ErrorContains(t, err, "line 1")
	_, err = d.Load(header + ".visible .entry k() { frobnicate; ret; }")
	require.ErrorContains(t, err, "line 7; error   : Not a name of any known instruction: 'frobnicate'")
	require.ErrorContains(t, err, "CUDA_ERROR_INVALID_PTX")
	for text, want := range map[string]string{
		strings.Replace(kernels, "7.8", "8.5", 1):      "PTX 8.5, which needs a driver for CUDA 12.5; this one is for CUDA 12.4: update the driver",
		strings.Replace(kernels, "sm_61", "sm_90", 1):  "the PTX is for sm_90, the GPU has compute capability 8.6",
		strings.Replace(kernels, "sm_61", "sm_80a", 1): "the PTX is for sm_80a",
	} {
		_, err = d.Load(text)
		require.ErrorContains(t, err, want)
	}
	for code, want := range map[string]string{"221": "libnvidia-ptxjitcompiler.so", "222": "PTX 7.8", "209": "refused by the driver's assembler"} {
		undo := fails(t, "cuModuleLoadDataEx="+code)
		_, err = d.Load(kernels)
		undo()
		require.ErrorContains(t, err, want)
	}
	m, err := d.Load(kernels)
	require.NoError(t, err, "none of these failures was the device's")
	_, err = m.Kernel("missing")
	require.ErrorContains(t, err, "GPU 0: the module has no kernel missing; it has [crash0 echo4 exact0 increment1 nothing0]")

	require.NoError(t, os.Setenv("FAKE_VERSION", "11040"))
	defer os.Unsetenv("FAKE_VERSION")
	_, err = Open(0)
	require.EqualError(t, err, "GPU 0 (Fake GPU): the kernels are PTX 7.8, which needs a driver for CUDA 11.8 (520.61 or later); this one is for CUDA 11.4: update the driver")
	require.ErrorContains(t, Available(), "PTX 7.8, which needs a driver")
	list, err := List()
	require.NoError(t, err)
	require.ErrorContains(t, Supported(0, list[0]), "GPU 0 (Fake GPU): the kernels are PTX 7.8, which needs a driver")
}

func TestFakeEvents(t *testing.T) {
	d := fake(t)
	k := load(t, d, "nothing0")
	l := driver.Launch{Grid: driver.D1(1), Block: driver.D1(1)}
	for range 50 {
		from, err := d.RecordEvent()
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, d.Launch(k, l))
		}
		to, err := d.RecordEvent()
		require.NoError(t, err)
		took, err := d.Elapsed(from, to)
		require.NoError(t, err)
		require.Equal(t, 750*time.Microsecond, took)
		runtime.GC() // events that nobody holds are used again
	}
	require.NoError(t, d.Sync())
	require.Less(t, len(d.(*Device).events), 50)
	_, err := d.Elapsed(nil, nil)
	require.ErrorContains(t, err, "another device")
}
