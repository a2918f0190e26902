package memplan_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/memplan"
	"voxgrad/device"
)

func TestAccounts(t *testing.T) {
	d := memplan.New(driver.Info{Name: "none", ComputeCapability: 61, Memory: 1000})
	a, err := d.Alloc(300)
	require.NoError(t, err)
	b, err := d.Alloc(700)
	require.NoError(t, err)
	require.NotEqual(t, a, b)
	require.Zero(t, uint64(b)%256)
	_, err = d.Alloc(1)
	require.ErrorContains(t, err, "1 bytes wanted, 1000 in use of 1000")
	_, err = memplan.New(driver.Info{}).Alloc(math.MaxInt64)
	require.ErrorIs(t, err, driver.ErrOutOfMemory)
	require.NoError(t, d.Free(a))
	require.Error(t, d.Free(a))
	require.EqualValues(t, 1000, d.Peak())
	require.EqualValues(t, 300, d.Info().FreeMemory)
	require.NoError(t, d.Close())
	_, err = d.Alloc(1)
	require.Error(t, err)
	require.Error(t, d.Sync())
	require.Error(t, d.Close())
}

// A launch is checked as on hardware, and counted only if it is right.
func TestLaunchIsChecked(t *testing.T) {
	d := memplan.New(driver.Info{Name: "none", ComputeCapability: 61, SharedOptIn: 99 << 10})
	_, err := d.Load("nonsense")
	require.ErrorContains(t, err, "planned device: ptx: line 1")
	m, err := d.Load(".version 7.8\n.target sm_61\n.address_size 64\n.visible .entry k(.param .u64 p, .param .f32 x) { ret; }")
	require.NoError(t, err)
	_, err = m.Kernel("absent")
	require.EqualError(t, err, "planned device: the module has no kernel absent; it has [k]")
	k, err := m.Kernel("k")
	require.NoError(t, err)
	l := driver.Launch{Grid: driver.D1(1), Block: driver.D1(32)}
	for _, err := range []error{
		d.Launch(k, l, driver.Ptr(1), uint64(3)), d.Launch(k, l, driver.Ptr(1)), d.Launch(nil, l),
		d.Launch(k, driver.Launch{Grid: driver.D1(1), Block: driver.D1(1), Shared: 100 << 10}, driver.Ptr(1), float32(3)),
	} {
		require.True(t, driver.IsArgument(err), "%v", err)
	}
	require.Zero(t, d.Launches())
	require.NoError(t, d.Launch(k, l, driver.Ptr(1), float32(3)))
	require.EqualValues(t, 1, d.Launches())
}

// The backend on it takes workspaces and rounding too, and is out of memory where
// it would be.
func TestBackend(t *testing.T) {
	run := func(memory int64) (d *memplan.Device, reserved int64, err error) {
		d = memplan.New(driver.Info{Name: "none", ComputeCapability: 61, Multiprocs: 20, Memory: memory, SharedPerCTA: 48 << 10, SharedOptIn: 99 << 10})
		b, err := cuda.New(d)
		require.NoError(t, err)
		defer b.Close()
		x := b.Alloc(device.Shape{N: 1, D: 8, H: 8, W: 8, C: 5})
		dw, db := b.Alloc(device.Weights(3, 5, 5)), b.Alloc(device.Vec(5))
		b.ConvGradW(device.Into{Tensor: dw, Mode: device.Set}, device.Into{Tensor: db, Mode: device.Set}, x, x, device.Conv3x3x3)
		_, peak := b.Usage()
		require.LessOrEqual(t, peak, b.Reserved())
		return d, b.Reserved(), b.Sync()
	}
	d, reserved, err := run(0)
	require.NoError(t, err)
	require.Equal(t, reserved, d.Peak())
	require.Positive(t, d.Launches())
	_, _, err = run(reserved)
	require.NoError(t, err)
	_, _, err = run(reserved - 1)
	require.ErrorContains(t, err, "out of memory")
}
