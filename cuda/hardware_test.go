//go:build cuda && cgo && linux && amd64

package cuda

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/gpu"
	"voxgrad/device"
	"voxgrad/device/devicetest"
)

// onGPU opens the first GPU, or skips with the reason.
func onGPU(t testing.TB) *Backend {
	t.Helper()
	if err := gpu.Available(); err != nil {
		t.Skipf("no GPU can be used: %v", err)
	}
	d, err := gpu.Open(0)
	require.NoError(t, err)
	b, err := New(d)
	require.NoError(t, err)
	return b
}

// The table that the emulator passes, with its large cases, and words of a pattern around each tensor.
func TestGPUConformance(t *testing.T) {
	require.NoError(t, onGPU(t).Close())
	devicetest.Run(t, func(t testing.TB) device.Backend { return onGPU(t) }, devicetest.Options{Guarded: true, Large: true, Each: conformance.in("fp32")})
	conformance.log(t)
}

func TestGPURecordedNetworks(t *testing.T) {
	require.NoError(t, onGPU(t).Close())
	recordedNetworks(t, onGPU)
}

func TestGPUTenSteps(t *testing.T) {
	require.NoError(t, onGPU(t).Close())
	tenSteps(t, onGPU)
}

// Two runs have the same bits, whatever order the card runs the blocks in.
func TestGPUSameBits(t *testing.T) {
	a, b := onGPU(t), onGPU(t)
	for _, c := range devicetest.Cases(devicetest.Options{Large: true}) {
		if !c.Closes {
			require.NoError(t, c.SameBits(a, b))
		}
	}
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// Steps replayed as a CUDA graph have the bits of steps that are launched kernel by kernel.
func TestGPUGraph(t *testing.T) {
	a := onGPU(t)
	d, err := gpu.Open(0)
	require.NoError(t, err)
	b, err := New(d, WithoutGraphs())
	require.NoError(t, err)
	graph, plain := newToy(a), newToy(b)
	for step := range 9 {
		graph.run(values(step))
		plain.run(values(step))
		require.Equal(t, plain.weights(), graph.weights(), "step %d", step)
	}
	require.NotNil(t, a.graphs.graph, "nothing was captured")
	require.NoError(t, a.Close())
	require.NoError(t, b.Close())
}

// What TestTensorCoreConformance holds of the emulator.
func TestGPUTensorCores(t *testing.T) {
	require.NoError(t, onGPU(t).Close())
	for _, k := range onTensorCores {
		t.Run(k.precision.String(), func(t *testing.T) {
			d, err := gpu.Open(0)
			require.NoError(t, err)
			if _, err := k.precision.On(d.Info().ComputeCapability); err != nil {
				require.NoError(t, d.Close())
				t.Skip(err)
			}
			b, err := New(d, WithPrecision(k.precision))
			require.NoError(t, err)
			note := conformance.in(k.precision.String())
			for _, c := range onCores(k.opt, products...) {
				rep, err := c.Check(b)
				if err != nil {
					t.Error(err)
				}
				note(c, rep)
			}
			conformance.log(t)
			require.NoError(t, b.Close())
		})
	}
}
