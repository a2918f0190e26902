package peak

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda/emu"
)

// The kernel does the operations that the rate is computed from, and next to
// nothing else.
func TestKernelDoesWhatIsCounted(t *testing.T) {
	d := emu.New()
	const blocks, rounds, tries = 3, 4, 2
	rate, err := measure(d, blocks, rounds, tries)
	require.NoError(t, err)
	require.Positive(t, rate)
	s := d.Stats()["fma_peak"]
	require.EqualValues(t, tries+1, s.Launches)
	want := uint64((tries + 1) * blocks * threads * rounds * each)
	sums := uint64((tries + 1) * blocks * threads * 16)
	require.InDelta(t, float64(want+sums), float64(s.Flops), float64(sums))
	require.Zero(t, s.LocalLoads+s.SharedLoads+s.GlobalLoads)
	_, err = measure(d, blocks, 64, 1)
	require.NoError(t, err)
	long := d.Stats()["fma_peak"]
	require.Greater(t, float64(long.Flops)/float64(long.LaneInstructions), 1.9, "nearly all instructions are multiply-adds")
	require.NoError(t, d.Close(), "nothing is left allocated")
}
