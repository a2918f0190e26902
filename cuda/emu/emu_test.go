package emu

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

// load reads testdata/NAME.ptx into a new device that is closed, and must not
// leak, when the test ends.
func load(t testing.TB, name string, opts ...Option) (*Device, driver.Module) {
	t.Helper()
	d := New(opts...)
	text, err := os.ReadFile(filepath.Join("testdata", name+".ptx"))
	require.NoError(t, err)
	m, err := d.Load(string(text))
	require.NoError(t, err)
	t.Cleanup(func() {
		for p := range d.live {
			_ = d.Free(p)
		}
		require.NoError(t, d.Close())
	})
	return d, m
}

func kernelOf(t testing.TB, m driver.Module, name string) driver.Kernel {
	t.Helper()
	k, err := m.Kernel(name)
	require.NoError(t, err)
	return k
}

// upload puts a slice into device memory.
func upload[T any](t testing.TB, d *Device, v []T) driver.Ptr {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, v)
	require.NoError(t, err)
	p, err := d.Alloc(int64(len(b)))
	require.NoError(t, err)
	require.NoError(t, d.ToDevice(p, b))
	return p
}

func room(t testing.TB, d *Device, bytes int64) driver.Ptr {
	t.Helper()
	p, err := d.Alloc(bytes)
	require.NoError(t, err)
	return p
}

func download[T any](t testing.TB, d *Device, p driver.Ptr, n int) []T {
	t.Helper()
	v := make([]T, n)
	b := make([]byte, binary.Size(v))
	require.NoError(t, d.ToHost(b, p))
	_, err := binary.Decode(b, binary.LittleEndian, v)
	require.NoError(t, err)
	return v
}

func randoms(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}

// faultOf is the Fault an error must be.
func faultOf(t testing.TB, err error) *Fault {
	t.Helper()
	var f *Fault
	require.True(t, errors.As(err, &f), "no fault but %v", err)
	return f
}
