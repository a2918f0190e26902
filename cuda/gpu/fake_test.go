//go:build cuda && cgo && linux && amd64

package gpu

import (
	"encoding/binary"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

const onFake = "HW_TEST_FAKE"

// TestFake runs the tests whose names begin with its own in a process whose libcuda.so.1 is testdata/fake.c.
func TestFake(t *testing.T) {
	dir := library(t, "testdata/fake.c")
	out := child(t, dir, []string{onFake + "=1"}, "-test.run=^TestFake[A-Z]", "-test.v")
	require.Equal(t, 13, strings.Count(out, "\n--- PASS: TestFake"), out)
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
		Name: "Fake GPU", ComputeCapability: 86, Multiprocs: 132, Memory: 64 << 20, FreeMemory: 64 << 20,
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
			m, err := d.RecordEvent()
			require.NoError(t, err)
			first := lose(t, d)
			require.ErrorContains(t, first, "can no longer be used")
			_, alloc := d.Alloc(4)
			_, loaded := d.Load(kernels)
			_, mark := d.RecordEvent()
			_, since := d.Elapsed(m, m)
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
	require.Equal(t, 86, d.Info().ComputeCapability)
	fake(t)
}
