package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda"
	"voxgrad/cuda/emu"
	"voxgrad/device"
	"voxgrad/device/cpu"
)

func losses(t *testing.T, dev device.Backend, steps int) (all []float32) {
	require.NoError(t, run(dev, steps, func(_ int, loss float32) { all = append(all, loss) }))
	require.NoError(t, dev.Sync())
	return all
}

func TestLearnsOnTheCPU(t *testing.T) {
	all := losses(t, cpu.New(), 60)
	require.InDelta(t, 0.5, all[0], 0.1)
	var last float32
	for _, l := range all[50:] {
		last += l / 10
	}
	require.Less(t, last, float32(0.1))
}

func TestTheEmulatorAgrees(t *testing.T) {
	dev, err := cuda.New(emu.New())
	require.NoError(t, err)
	require.InDeltaSlice(t, losses(t, cpu.New(), 2), losses(t, dev, 2), 1e-5)
}
