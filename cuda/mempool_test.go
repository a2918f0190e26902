package cuda

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/device"
)

func TestOutOfMemory(t *testing.T) {
	_, b := onEmulator(t, []emu.Option{emu.Memory(10 << 20)})
	x := b.Alloc(device.Vec(2 << 20))
	b.Free(x)
	x = b.Alloc(device.Vec(2 << 18))
	y := b.Alloc(device.Vec(1 << 20)) // fits only after the idle 8 MiB have gone back
	require.NoError(t, b.Sync())
	z := b.Alloc(device.Vec(2 << 20))
	b.Fill(z, 1)
	b.Copy(device.Into{Tensor: z, Mode: device.Set}, z)
	err := b.Sync()
	require.ErrorContains(t, err, "cuda: emulator: Alloc: no memory for a tensor of shape [1 1 1 1 2097152]: 8.0 MiB wanted, 6.0 MiB in use")
	require.ErrorContains(t, err, "use a smaller batch, a smaller patch or a narrower network")
	require.ErrorIs(t, err, driver.ErrOutOfMemory)
	for _, t := range []device.Tensor{x, y, z} {
		b.Free(t)
	}
	now, _ := b.Usage()
	require.Zero(t, now)
	require.ErrorContains(t, b.Close(), "no memory")
}

func TestMemoryLimit(t *testing.T) {
	_, b := onEmulator(t, nil, WithMemoryLimit(3<<20))
	b.Free(b.Alloc(device.Vec(2 << 18)))
	b.Free(b.Alloc(device.Vec(3 << 18))) // the first is given back for it
	require.NoError(t, b.Sync())
	require.LessOrEqual(t, b.Reserved(), int64(3<<20))
	b.Alloc(device.Vec(1 << 20))
	require.ErrorContains(t, b.Sync(), "4.0 MiB wanted, 0 B in use, the limit is 3.0 MiB")
	require.ErrorContains(t, b.Sync(), "use a smaller batch")
	require.ErrorIs(t, b.Sync(), driver.ErrOutOfMemory)
}

// Freed memory of about the same size is used again and the driver left alone.
func TestPoolReuses(t *testing.T) {
	f, b, _, _ := onFaulty(t)
	before := b.Reserved()
	x := b.Alloc(device.Vec(1000))
	taken := b.Reserved()
	require.Greater(t, taken, before)
	for range 10 {
		p := x.Mem.(*buffer).ptr
		b.Free(x)
		x = b.Alloc(device.Vec(990))
		require.Equal(t, p, x.Mem.(*buffer).ptr)
		require.Zero(t, p%256)
	}
	require.Equal(t, taken, b.Reserved())
	require.Zero(t, f.freed)

	// A much smaller tensor does not take a large buffer.
	b.Free(x)
	y := b.Alloc(device.Vec(3))
	require.Greater(t, b.Reserved(), taken)
	b.Free(y)
	require.NoError(t, b.Close())
}

// Workspaces go back at the end of a call, also when a check panics in between.
func TestWorkspaceGoesBack(t *testing.T) {
	_, b := onEmulator(t, nil)
	x, least := b.Alloc(device.Vec(9)), b.Alloc(device.Scalar())
	b.Fill(x, 1)
	b.Min(least, x)
	first := b.Reserved()
	for range 5 {
		b.Min(least, x)
	}
	require.Equal(t, first, b.Reserved())
	require.Panics(t, func() {
		o := b.begin("Test")
		defer o.end()
		o.workspace(100)
		o.must(false, "no")
	})
	require.NoError(t, b.Sync())
	b.Free(x)
	b.Free(least)
	require.Equal(t, b.Reserved(), b.pool.idle)
	require.NoError(t, b.Close())
}

// A device that is lost answers a request for memory with that. It is no lack of memory.
func TestAllocOnALostDevice(t *testing.T) {
	lost := errors.New("CUDA_ERROR_ILLEGAL_ADDRESS")
	for name, call := range map[string]func(b *Backend, x device.Tensor){
		"tensor":    func(b *Backend, x device.Tensor) { b.Alloc(device.Vec(7000)) },
		"workspace": func(b *Backend, x device.Tensor) { b.MSE(b.Alloc(device.Scalar()), x, x) },
		"table": func(b *Backend, x device.Tensor) {
			b.Adam([]device.AdamSlot{{W: x, Grad: b.Alloc(x.Shape), M: b.Alloc(x.Shape), V: b.Alloc(x.Shape)}}, device.AdamOptions{Step: 1})
		},
	} {
		f, b, dst, src := onFaulty(t)
		b.Copy(dst, src)
		f.alloc = lost
		call(b, src)
		err := b.Sync()
		require.ErrorIs(t, err, lost, name)
		require.ErrorContains(t, err, "Copy, kernel accumulate (grid (5,1,1)", name)
		require.ErrorContains(t, err, "start again from the last checkpoint", name)
		require.NotContains(t, err.Error(), "memory for", name)
		require.NotContains(t, err.Error(), "smaller", name)
	}
}
