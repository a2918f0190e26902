package synth

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cuda"
	"voxgrad/cuda/emu"
)

// The GPU's kernels, interpreted, fill what the processor fills.
func TestRunOnTheEmulatedGPU(t *testing.T) {
	o := busy()
	o.ErodeMM, o.GeneratedMin = 0, 1
	p := box(8).mark([3]int{2, 2, 2})
	values := make([]float32, p.voxels())
	for i, in := range p.Brain {
		if in {
			values[i] = 1 + 0.1*float32(i%7)
		}
	}
	var pl *Plan
	for seed := uint64(0); pl == nil || pl.remove[0] == nil || pl.put[1] == nil; seed++ {
		pl = plan(t, o, seed, p, dot(t, o))
	}
	want := paintOn(t, openCPU(t), pl, values)
	dev, err := cuda.New(emu.New())
	require.NoError(t, err)
	defer func() { require.NoError(t, dev.Close()) }()
	got := paintOn(t, dev, pl, values)
	for time := range got {
		mask := pl.Filled(time)
		for i, v := range want[time] {
			if mask[i] {
				require.InDelta(t, v, got[time][i], 1e-4)
			} else {
				require.Equal(t, values[i], got[time][i])
			}
		}
	}
}
