package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
	"voxgrad/cuda/emu"
	"voxgrad/device/bench"
	"voxgrad/train"
)

// A GPU's own clock and ceiling, on the emulator for want of one.
func TestOnGPU(t *testing.T) {
	dev, err := newOnGPU(emu.New(emu.ComputeCapability(61)))
	require.NoError(t, err)
	r, err := bench.Run(t.Context(), dev, bench.Ops(bench.Shapes{Width: 1, Patch: 8, Batch: 1})[:1], bench.Options{Least: 2, CopyBytes: 4096})
	require.NoError(t, err)
	require.Equal(t, "device", r.Timing)
	require.Len(t, r.Results[0].Seconds, 2)
	require.NoError(t, dev.Close())
	_, err = newOnGPU(emu.New(emu.ComputeCapability(50)))
	require.ErrorContains(t, err, "5.0")
}

// What a card would give is more than the tensors take, and not much.
func TestMemoryPlanOfACard(t *testing.T) {
	c := train.Defaults("segmenter")
	c.Network.Width, c.Run.Batch = 4, 2
	c.Sampler.Patch, c.Sampler.Jitter = [3]int{16, 16, 16}, 4
	open := DryCUDA(driver.Info{Name: "card", ComputeCapability: 61, Multiprocs: 20, SharedPerCTA: 48 << 10, SharedOptIn: 99 << 10})
	m, err := train.MemoryOf(c, open)
	require.NoError(t, err)
	tensors, err := train.MemoryOf(c, train.DryTensors)
	require.NoError(t, err)
	require.Equal(t, tensors.Peak, m.Peak)
	require.Greater(t, m.Taken, m.Peak)
	p, err := train.PlanMemory(c, m.Taken, open)
	require.NoError(t, err)
	require.True(t, p.Fits)
	require.GreaterOrEqual(t, p.Largest.Batch, 2)
	p, err = train.PlanMemory(c, tensors.Peak, open)
	require.NoError(t, err)
	require.False(t, p.Fits, "the tensors alone fill it")
	require.ErrorContains(t, p.Check(), "not enough memory")
	t.Logf("%v", p)
}

func TestPickGPU(t *testing.T) {
	old, good := driver.Info{ComputeCapability: 52, DriverVersion: 12040}, driver.Info{ComputeCapability: 90, DriverVersion: 12040}
	index, err := pickGPU([]driver.Info{old, good, good})
	require.NoError(t, err)
	require.Equal(t, 1, index, "the first one that can be used")
	_, err = pickGPU([]driver.Info{old})
	require.ErrorContains(t, err, "5.2")
}
