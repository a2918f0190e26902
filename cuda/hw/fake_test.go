//go:build cuda && cgo && linux && amd64

package hw

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

const onFake = "HW_TEST_FAKE"

// TestFake runs the other tests of this file in a process whose libcuda.so.1 is testdata/fake.c.
func TestFake(t *testing.T) {
	dir := library(t, "testdata/fake.c")
	out := child(t, dir, []string{onFake + "=1"}, "-test.run=^TestFake[A-Z]", "-test.v")
	require.Equal(t, 10, strings.Count(out, "\n--- PASS: TestFake"), out)
	require.NotContains(t, out, "--- SKIP", out)
}

// fake opens the fake device.
func fake(t *testing.T) driver.Driver {
	onlyFake(t)
	d, err := Open(0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func onlyFake(t *testing.T) {
	if os.Getenv(onFake) == "" {
		t.Skip("TestFake runs this")
	}
}

// fails makes a function of the library fail until undone.
func fails(t *testing.T, f string) (undo func()) {
	require.NoError(t, os.Setenv("FAKE_FAIL", f))
	return func() { os.Unsetenv("FAKE_FAIL") }
}

const header = ".version 7.8\n.target sm_61\n.address_size 64\n"

const kernels = header + `
.visible .entry echo4(.param .u64 out, .param .u32 n, .param .f32 x, .param .f64 y) { ret; }
.visible .entry increment1(.param .u64 p) { ret; }
.visible .entry crash0() { ret; }
.visible .entry nothing0() { ret; }
.visible .entry exact0() .reqntid 64, 1, 1 { ret; }
`

func load(t *testing.T, d driver.Driver, name string) driver.Kernel {
	m, err := d.Load(kernels)
	require.NoError(t, err)
	k, err := m.Kernel(name)
	require.NoError(t, err)
	require.Equal(t, name, k.Name())
	return k
}

func TestFakeInfo(t *testing.T) {
	d := fake(t)
	want := driver.Info{
		Name: "Fake GPU", Compute: 86, Multiprocs: 132, Memory: 64 << 20, FreeMemory: 64 << 20,
		SharedPerMP: 100 << 10, SharedPerCTA: 48 << 10, SharedOptIn: 99 << 10, L2: 6 << 20,
		ClockKHz: 1695000, MemClockKHz: 7001000, MemBusBits: 192, DriverVersion: 12040,
	}
	require.Equal(t, want, d.Info())
	p, err := d.Alloc(1 << 20)
	require.NoError(t, err)
	require.Equal(t, int64(63<<20), d.Info().FreeMemory)
	require.NoError(t, d.Free(p))

	require.NoError(t, Available())
	list, err := List()
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, want, list[0])
	require.Equal(t, "Old GPU", list[1].Name)
	_, err = Open(1)
	require.ErrorContains(t, err, "GPU 1 (Old GPU) has compute capability 3.7; the kernels need 6.1 or later")
	for _, i := range []int{-1, 2} {
		_, err = Open(i)
		require.ErrorContains(t, err, "there are: 0 (Fake GPU, compute capability 8.6), 1 (Old GPU, compute capability 3.7)")
	}
}

func TestFakeCopies(t *testing.T) {
	d := fake(t)
	for _, n := range []int{0, 1, 3, stageBytes - 1, stageBytes, stageBytes + 1, 6*stageBytes + 5} {
		src := make([]byte, n)
		_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(src)
		keep := append([]byte(nil), src...)
		p, err := d.Alloc(int64(n) + 1)
		require.NoError(t, err)
		require.Zero(t, p%256)
		require.NoError(t, d.ToDevice(p, src))
		clear(src) // the caller may use it again at once
		dst := make([]byte, n+2)
		dst[0], dst[n+1] = 0xa5, 0xa5
		require.NoError(t, d.ToHost(dst[1:n+1], p))
		require.True(t, string(keep) == string(dst[1:n+1]), "%d bytes", n)
		require.Equal(t, []byte{0xa5, 0xa5}, []byte{dst[0], dst[n+1]})
		require.NoError(t, d.Free(p))
	}
	p, err := d.Alloc(40)
	require.NoError(t, err)
	require.NoError(t, d.Fill32(p, 0xdeadbeef, 10))
	require.NoError(t, d.Fill32(p+4, 7, 0))
	require.NoError(t, d.Fill32(p+8, 0x01020304, 1))
	got := make([]byte, 40)
	require.NoError(t, d.ToHost(got, p))
	for i := range 10 {
		want := uint32(0xdeadbeef)
		if i == 2 {
			want = 0x01020304
		}
		require.Equal(t, want, binary.LittleEndian.Uint32(got[4*i:]))
	}
	require.ErrorContains(t, d.Fill32(p+2, 0, 1), "no multiple of 4")
	require.ErrorContains(t, d.Fill32(p, 0, -1), "-1 words")
	require.NoError(t, d.Sync())
}

func TestFakeMemory(t *testing.T) {
	d := fake(t)
	_, err := d.Alloc(0)
	require.ErrorContains(t, err, "0 bytes")
	p, err := d.Alloc(32 << 20)
	require.NoError(t, err)
	_, err = d.Alloc(48 << 20)
	require.ErrorContains(t, err, "out of memory: 48.00 MiB (50331648 bytes) asked for, 32.00 MiB of 64.00 MiB are free, this process has 32.00 MiB in 1 allocations")
	require.ErrorContains(t, d.Free(p+4), "nothing is allocated")
	require.NoError(t, d.Free(p), "none of these failures was the device's")
	require.ErrorContains(t, d.Free(p), "nothing is allocated")
	p, err = d.Alloc(48 << 20)
	require.NoError(t, err)
	require.NoError(t, d.Free(p))
}

func TestFakeLaunch(t *testing.T) {
	d := fake(t)
	k := load(t, d, "echo4")
	out, err := d.Alloc(8 * 14)
	require.NoError(t, err)
	for _, shared := range []int{0, 40 << 10, 98 << 10} {
		l := driver.Launch{Grid: driver.Dim{X: 3, Y: 5, Z: 7}, Block: driver.Dim{X: 11, Y: 2, Z: 4}, Shared: shared}
		args := []uint64{uint64(out), 0xfffffffe, uint64(math.Float32bits(-1.5)), math.Float64bits(math.Pi)}
		want := append([]uint64{3, 5, 7, 11, 2, 4, uint64(shared), 5, 0, 1}, args...)
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
	require.ErrorContains(t, d.Launch(echo, one, 1, 1<<32, 3, 4), "does not fit its 4 bytes")
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
	require.ErrorContains(t, err, "no entry missing")

	require.NoError(t, os.Setenv("FAKE_VERSION", "11040"))
	defer os.Unsetenv("FAKE_VERSION")
	_, err = Open(0)
	require.EqualError(t, err, "GPU 0 (Fake GPU): the kernels are PTX 7.8, which needs a driver for CUDA 11.8 (520.61 or later); this one is for CUDA 11.4: update the driver")
	require.ErrorContains(t, Available(), "PTX 7.8, which needs a driver")
}

func TestFakeMarks(t *testing.T) {
	d := fake(t)
	k := load(t, d, "nothing0")
	l := driver.Launch{Grid: driver.D1(1), Block: driver.D1(1)}
	for range 50 {
		from, err := d.Mark()
		require.NoError(t, err)
		for range 3 {
			require.NoError(t, d.Launch(k, l))
		}
		to, err := d.Mark()
		require.NoError(t, err)
		took, err := d.Since(from, to)
		require.NoError(t, err)
		require.Equal(t, 750*time.Microsecond, took)
		runtime.GC() // events of marks nobody holds are used again
	}
	require.NoError(t, d.Sync())
	require.Less(t, len(d.(*Device).events), 50)
	_, err := d.Since(nil, nil)
	require.ErrorContains(t, err, "another device")
}

// Each kind of failure of the device is the answer to every later call.
func TestFakeLost(t *testing.T) {
	l := driver.Launch{Grid: driver.D1(1), Block: driver.D1(1)}
	for name, lose := range map[string]func(t *testing.T, d driver.Driver) error{
		"kernel": func(t *testing.T, d driver.Driver) error {
			require.NoError(t, d.Launch(load(t, d, "crash0"), l))
			err := d.Sync()
			require.ErrorContains(t, err, "GPU 0: Sync: an illegal memory access was encountered (CUDA_ERROR_ILLEGAL_ADDRESS, CUDA error 700)")
			return err
		},
		"copy": func(t *testing.T, d driver.Driver) error {
			defer fails(t, "cuMemcpyHtoDAsync_v2=719")()
			return d.ToDevice(256, []byte{1})
		},
		"refused launch": func(t *testing.T, d driver.Driver) error {
			k := load(t, d, "nothing0")
			undo := fails(t, "cuLaunchKernel=1")
			require.NoError(t, d.Launch(k, l))
			err := d.Sync()
			undo()
			require.ErrorContains(t, err, "kernel nothing0 (grid (1,1,1)")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := fake(t)
			k := load(t, d, "nothing0")
			m, err := d.Mark()
			require.NoError(t, err)
			first := lose(t, d)
			require.ErrorContains(t, first, "can no longer be used")
			_, alloc := d.Alloc(4)
			_, loaded := d.Load(kernels)
			_, mark := d.Mark()
			_, since := d.Since(m, m)
			for _, err := range []error{alloc, loaded, mark, since, d.Free(256), d.ToDevice(256, []byte{1}), d.ToHost([]byte{1}, 256),
				d.Fill32(256, 0, 1), d.Launch(k, l), d.Sync()} {
				require.Equal(t, first, err)
			}
			require.Equal(t, "Fake GPU", d.Info().Name)
			require.NoError(t, d.Close(), "the failure was said before")
		})
	}
}

func TestFakeGoroutines(t *testing.T) {
	d := fake(t)
	k := load(t, d, "increment1")
	l := driver.Launch{Grid: driver.D1(1), Block: driver.D1(1)}
	counter, err := d.Alloc(4)
	require.NoError(t, err)
	require.NoError(t, d.Fill32(counter, 0, 1))
	const workers, rounds = 16, 100
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			p, err := d.Alloc(1000)
			require.NoError(t, err)
			src, dst := make([]byte, 1000), make([]byte, 1000)
			for r := range rounds {
				for i := range src {
					src[i] = byte(w*31 + r*7 + i)
				}
				require.NoError(t, d.ToDevice(p, src))
				require.NoError(t, d.Launch(k, l, uint64(counter)))
				require.NoError(t, d.ToHost(dst, p))
				require.True(t, string(src) == string(dst))
			}
			require.NoError(t, d.Free(p))
		})
	}
	wg.Wait()
	got := make([]byte, 4)
	require.NoError(t, d.ToHost(got, counter))
	require.EqualValues(t, workers*rounds, binary.LittleEndian.Uint32(got))
}

func TestFakeClose(t *testing.T) {
	d := fake(t)
	k := load(t, d, "nothing0")
	l := driver.Launch{Grid: driver.D1(1), Block: driver.D1(1)}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { // each call is done or refused, none hangs
			for {
				if err := d.Launch(k, l); err != nil {
					require.ErrorIs(t, err, errClosed)
					return
				}
			}
		})
	}
	require.NoError(t, d.Close())
	wg.Wait()
	require.ErrorIs(t, d.Close(), errClosed)
	require.ErrorIs(t, d.Sync(), errClosed)
	_, err := d.Alloc(4)
	require.ErrorIs(t, err, errClosed)
	require.Equal(t, 86, d.Info().Compute)
	fake(t)
}
