package devices

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/driver"
)

func TestDescribeGPU(t *testing.T) {
	g := describeGPU(1, driver.Info{Name: "X", ComputeCapability: 61, Memory: 12 << 30, MemClockKHz: 5_000_000, MemBusBits: 352, DriverVersion: 12040})
	require.Equal(t, "12.4", g.Driver)
	require.Equal(t, "6.1", g.Compute)
	require.InDelta(t, 440, g.PeakGBytes, 1e-9)
	require.Contains(t, g.PTX, "sm_61")
	require.Equal(t, "fp32; auto is fp32", g.Precision)
	require.Empty(t, g.Unusable)
	g = describeGPU(0, driver.Info{ComputeCapability: 86, DriverVersion: 12040})
	require.Contains(t, g.PTX, "sm_80 (7 of ")
	require.Equal(t, "fp32, tf32, bf16; auto is bf16", g.Precision)
	old := driver.Info{ComputeCapability: 52, DriverVersion: 12040}
	require.Contains(t, describeGPU(0, old).Unusable, "5.2")
	require.Equal(t, "Some CPU", procField("a: b\nmodel name\t: Some CPU\nmodel name: other\n", "model name"))
	require.EqualValues(t, 3<<10, kib("3 kB"))
	require.Zero(t, kib("x"))
}
