package main

import (
	"encoding/json"
	"testing"
	"voxgrad/cuda/driver"

	"github.com/stretchr/testify/require"
)

func TestDevices(t *testing.T) {
	out, err := command(t, newDevices())
	require.NoError(t, err)
	require.Contains(t, out, "model")
	require.Contains(t, out, "cpu (")
	out, err = command(t, newDevices(), "--json")
	require.NoError(t, err)
	var l deviceList
	require.NoError(t, json.Unmarshal([]byte(out), &l))
	require.Positive(t, l.CPU.Cores)
	require.Positive(t, l.CPU.Cache)
	require.NotEmpty(t, l.PTX)
	if len(l.GPUs) == 0 {
		require.NotEmpty(t, l.NoGPU, "it says why")
	}

	g := describeGPU(1, driver.Info{Name: "X", ComputeCapability: 61, Memory: 12 << 30, MemClockKHz: 5_000_000, MemBusBits: 352, DriverVersion: 12040})
	require.Equal(t, "12.4", g.Driver)
	require.Equal(t, "6.1", g.Compute)
	require.InDelta(t, 440, g.PeakGBytes, 1e-9)
	require.Contains(t, g.PTX, "sm_61")
	require.Empty(t, g.Unusable)
	old := driver.Info{ComputeCapability: 52, DriverVersion: 12040}
	require.Contains(t, describeGPU(0, old).Unusable, "5.2")
	require.Equal(t, "Some CPU", procField("a: b\nmodel name\t: Some CPU\nmodel name: other\n", "model name"))
	require.EqualValues(t, 3<<10, kib("3 kB"))
	require.Zero(t, kib("x"))
}
