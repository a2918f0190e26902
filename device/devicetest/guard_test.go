package devicetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/ref"
)

// bare hides everything but the interface, GuardAlloc too.
type bare struct{ device.Backend }

func TestUnguardedBackendIsWatchedByItsNeighbours(t *testing.T) {
	b := bare{ref.New[float32]()}
	_, guarded := device.Backend(b).(Guarded)
	require.False(t, guarded)

	mem := arena{b: b}
	mem.alloc("x", device.Vec(5))
	require.NoError(t, mem.check())
	require.Len(t, mem.tensors, 3)
	b.Copy(device.Into{Tensor: mem.tensors[0], Mode: device.Set}, mem.tensors[2])
	require.NoError(t, mem.check(), "NaN over NaN")
	b.Fill(mem.tensors[2], 0)
	require.ErrorContains(t, mem.check(), "outside x")
	mem.free()
	now, _ := b.Usage()
	require.Zero(t, now)

	c := Cases(Options{})[0]
	rep, err := c.Check(b)
	require.NoError(t, err)
	require.False(t, rep.Guarded)
}

func TestGuardedBackendIsWatched(t *testing.T) {
	b := ref.New[float32]()
	for _, at := range []int{-1, 5} {
		mem := arena{b: b}
		x := mem.alloc("x", device.Vec(5))
		require.NoError(t, mem.check())
		data := b.Data(x)
		p := &data[0]
		*elementAt(p, at) = 7
		require.ErrorContains(t, mem.check(), "outside x")
		mem.free()
	}
}
