//go:build cuda && cgo && linux && amd64

package gpu

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

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
	require.ErrorContains(t, err, "out of memory: 48.0 MiB (50331648 bytes) asked for, 32.0 MiB of 64.0 MiB are free, this process has 32.0 MiB in 1 allocations")
	require.ErrorIs(t, err, driver.ErrOutOfMemory)
	require.ErrorContains(t, d.Free(p+4), "nothing is allocated")
	require.NoError(t, d.Free(p), "none of these failures was the device's")
	require.ErrorContains(t, d.Free(p), "nothing is allocated")
	p, err = d.Alloc(48 << 20)
	require.NoError(t, err)
	require.NoError(t, d.Free(p))
}
