package main

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

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
