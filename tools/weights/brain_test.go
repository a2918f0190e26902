package main

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// disks is a mask of slices 6 mm thick with a disk of that radius (mm) in each of some.
func disks(radius ...float64) *volume.Mask {
	m := volume.NewMask(volume.Grid{Size: [3]int{61, 61, len(radius)}, Affine: volume.Affine{{1}, {0, 1}, {0, 0, 6}}})
	for x := range m.Data {
		m.Data[x] = math.Hypot(float64(x%61)-30, float64(x/61%61)-30) < radius[x/61/61]
	}
	return m
}

// Where outlines differ by a distance of each slice, moving them meets the mask; what is missed as a whole stays missed.
func TestBestRim(t *testing.T) {
	truth := disks(0, 15, 20, 22, 18)
	for _, c := range []struct {
		found      *volume.Mask
		dice, best float64
	}{
		{truth, 1, 1},
		{disks(0, 12, 23, 20, 18), 0.896, 0.995},
		{disks(0, 15, 20, 22, 0), 0.873, 0.873},
		{disks(0, 0, 8, 22, 18), 0.757, 0.798},
	} {
		dice, _, err := compare(truth, c.found)
		require.NoError(t, err)
		require.InDelta(t, c.dice, dice, 0.01)
		best, err := bestRim(truth, c.found)
		require.NoError(t, err)
		require.InDelta(t, c.best, best, 0.01)
		require.GreaterOrEqual(t, best, dice)
	}
}

// Parts hold each voxel once, the first of them that at the feet, however the axis runs; air around a head moves nothing.
func TestWorsenings(t *testing.T) {
	for _, down := range []bool{false, true} {
		brain := disks(0, 15, 20, 22, 18, 9, 3)
		if down {
			brain.Affine[2][2], brain.Affine[2][3] = -6, 100
		}
		v := volume.New(brain.Grid)
		for i, in := range brain.Data {
			v.Data[i] = 10
			if in {
				v.Data[i] = 100
			}
		}
		parts, bottom := map[string]int{}, map[string]float64{}
		for _, c := range worsenings() {
			scan, mask := c.apply(v, brain, rng.New(1, c.name))
			require.Equal(t, scan.Grid, mask.Grid, c.name)
			if of, ok := strings.CutPrefix(c.name, "part "); ok {
				parts[of[5:]] += mask.Count()
				bottom[of[:6]] = min(scan.World(0, 0, 0)[2], scan.World(0, 0, float64(scan.Size[2]-1))[2])
				continue
			}
			require.Equal(t, brain.Count(), mask.Count(), c.name)
			require.NotEqual(t, v.Data, scan.Data, c.name)
		}
		require.Equal(t, map[string]int{"2 from the feet": brain.Count(), "3 from the feet": brain.Count()}, parts)
		require.Less(t, bottom["1 of 2"], bottom["2 of 2"])
		require.Less(t, bottom["1 of 3"], bottom["2 of 3"])
		require.Less(t, bottom["2 of 3"], bottom["3 of 3"])
	}
}
