//go:build cuda && cgo && linux && amd64

package gpu

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

var single = driver.Launch{Grid: driver.D1(1), Block: driver.D1(1)}

func TestFakeGraph(t *testing.T) {
	d := fake(t)
	k := load(t, d, "increment1")
	p, err := d.Alloc(8)
	require.NoError(t, err)
	require.NoError(t, d.Fill32(p, 10, 2))
	args := []any{p}
	calls := []driver.Call{{Kernel: k, Launch: single, Args: args}, {Dst: p + 4, Word: 7, N: 1}, {Kernel: k, Launch: single, Args: []any{p + 4}}, {Dst: p, N: 0}}
	g, err := d.Capture(calls)
	require.NoError(t, err)
	args[0], calls[1].Word = p+4, 99 // a graph keeps nothing of the caller's
	words := func() (w [2]uint32) {
		raw := make([]byte, 8)
		require.NoError(t, d.ToHost(raw, p))
		return [2]uint32{binary.LittleEndian.Uint32(raw), binary.LittleEndian.Uint32(raw[4:])}
	}
	require.Equal(t, [2]uint32{10, 10}, words(), "nothing is made while it is captured")
	for range 3 {
		require.NoError(t, g.Replay())
	}
	require.Equal(t, [2]uint32{13, 8}, words())
	require.NoError(t, d.Launch(k, single, p), "the stream captures no more")
	require.NoError(t, g.Replay())
	require.Equal(t, [2]uint32{15, 8}, words())
	require.NoError(t, g.Free())

	_, err = d.Capture([]driver.Call{{Kernel: k, Launch: single, Args: []any{1.5}}})
	require.True(t, driver.IsArgument(err))
	require.Equal(t, err, k.Check(single, 1.5))
	require.NoError(t, k.Check(single, p))
	_, err = d.Capture([]driver.Call{{Dst: p + 2, N: 1}})
	require.ErrorContains(t, err, "no multiple of 4")
	other := fake(t)
	_, err = other.Capture([]driver.Call{{Kernel: k, Launch: single, Args: []any{p}}})
	require.ErrorContains(t, err, "another device")
	require.NoError(t, d.Sync(), "what is refused does no harm")
}

// Whatever fails while work is captured is said, and the stream captures no more.
func TestFakeGraphFails(t *testing.T) {
	for name, want := range map[string]string{
		"cuStreamBeginCapture_v2": "fake failure", "cuStreamEndCapture": "fake failure", "cuGraphInstantiateWithFlags": "fake failure",
		"cuLaunchKernel": "kernel increment1 (grid (1,1,1)",
	} {
		t.Run(name, func(t *testing.T) {
			d := fake(t)
			k := load(t, d, "increment1")
			p, err := d.Alloc(4)
			require.NoError(t, err)
			undo := fails(t, name+"=999")
			_, err = d.Capture([]driver.Call{{Kernel: k, Launch: single, Args: []any{p}}})
			undo()
			require.ErrorContains(t, err, want)
			require.ErrorContains(t, err, "GPU 0: Capture: ")
			require.NoError(t, d.Close())
		})
	}
	d := fake(t)
	k := load(t, d, "nothing0")
	g, err := d.Capture([]driver.Call{{Kernel: k, Launch: single}})
	require.NoError(t, err)
	undo := fails(t, "cuGraphLaunch=719")
	require.NoError(t, g.Replay(), "queued")
	err = d.Sync()
	undo()
	require.ErrorContains(t, err, "GPU 0: Replay: ")
}

// A copy to the host is of what was there when it was queued, and waits for no more.
func TestFakeFetch(t *testing.T) {
	d := fake(t)
	k := load(t, d, "increment1")
	p, err := d.Alloc(64 << 10)
	require.NoError(t, err)
	require.NoError(t, d.Fill32(p, 10, 16<<10))
	first, err := d.Fetch([]driver.Span{{Ptr: p, Bytes: 4}, {Ptr: p + 8, Bytes: 64<<10 - 8}, {Ptr: p, Bytes: 0}})
	require.NoError(t, err)
	require.NoError(t, d.Launch(k, single, p))
	second, err := d.Fetch([]driver.Span{{Ptr: p, Bytes: 4}})
	require.NoError(t, err)
	crash := load(t, d, "crash0")
	require.NoError(t, d.Launch(crash, single))
	raw, err := second.Wait()
	require.NoError(t, err, "the crash comes later")
	require.Equal(t, []byte{11, 0, 0, 0}, raw)
	raw, err = first.Wait()
	require.NoError(t, err)
	require.Len(t, raw, 64<<10-4)
	require.EqualValues(t, 10, raw[0])
	require.EqualValues(t, 10, raw[len(raw)-4])
	_, err = first.Wait()
	require.ErrorContains(t, err, "a second time")
	require.Error(t, d.Sync())
}
