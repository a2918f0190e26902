package synth

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

func TestInpainterRegion(t *testing.T) {
	o := Defaults()
	p, lib := phantomPatch(t), phantomLibrary(t, o)
	clear(p.Lesions)
	var regions [10]int
	for seed := range uint64(100) {
		region, ok, err := o.InpainterRegion(rng.New(seed), p, lib)
		require.NoError(t, err)
		require.True(t, ok)
		require.Positive(t, count(region))
		require.Equal(t, count(region), count(both(region, p.Brain)))
		again, _, err := o.InpainterRegion(rng.New(seed), p, lib)
		require.NoError(t, err)
		require.Equal(t, region, again)
		regions[len(components(region, p.Size))]++
	}
	require.Zero(t, regions[0])
	require.NotZero(t, regions[1])
	require.NotZero(t, regions[3])
	for n := o.RegionsMax + 1; n < len(regions); n++ {
		require.Zero(t, regions[n])
	}

	// The region is dilated: one voxel becomes 27, fewer at the brain's surface.
	o.RegionsMax = 1
	sizes := map[int]bool{}
	for seed := range uint64(300) {
		region, _, err := o.InpainterRegion(rng.New(seed), box(8), dot(t, o))
		require.NoError(t, err)
		sizes[count(region)] = true
	}
	require.Equal(t, map[int]bool{27: true, 18: true, 12: true, 8: true}, sizes)
	empty := box(8)
	clear(empty.Brain)
	_, ok, err := o.InpainterRegion(rng.New(1), empty, lib)
	require.NoError(t, err)
	require.False(t, ok)
}
