package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/volume"
)

func TestChangesDoWhatTheyAreCalled(t *testing.T) {
	v := volume.New(volume.Grid{Size: [3]int{9, 8, 12}, Affine: volume.Affine{{1}, {0, 1}, {0, 0, 3}}})
	for i := range v.Data {
		v.Data[i] = float32(100 + 10*(i/72))
	}
	same := thick(v, 2)
	require.Equal(t, v.Data, same.Data, "slices are thicker already")
	six := thick(v, 6)
	for z := 1; z < 11; z++ {
		require.InDelta(t, float64(100+10*z), six.Data[six.Index(4, 4, z)], 0.01, "a ramp stays one")
	}
	spot := volume.New(v.Grid)
	spot.Data[spot.Index(4, 4, 5)] = 12
	sum := float32(0)
	for z := range 12 {
		sum += thick(spot, 6).Data[spot.Index(4, 4, z)]
	}
	require.InDelta(t, 12, sum, 0.01)
	require.InDelta(t, 6*0.75, thick(spot, 6).Data[spot.Index(4, 4, 5)], 0.01, "half of a slice, interpolated")

	n := noisy(v, 0.1, rng.New(1))
	squares := 0.0
	for i := range v.Data {
		d := float64(n.Data[i] - v.Data[i])
		squares += d * d
	}
	require.InDelta(t, 15.5*15.5, squares/float64(len(v.Data)), 40)
	ramp := volume.New(volume.Grid{Size: [3]int{40, 40, 40}, Affine: volume.Identity})
	for i := range ramp.Data {
		ramp.Data[i] = float32(i % 40)
	}
	off := moved(ramp, 2, rng.New(3)).Data[ramp.Index(20, 20, 20)] - 20
	d := rng.New(3).Direction()
	require.InDelta(t, 2*d[0], off, 0.01)
	b := biased(v, 0.4, rng.New(2))
	least, most := float32(9), float32(0)
	for i, x := range b.Data {
		least, most = min(least, x/v.Data[i]), max(most, x/v.Data[i])
	}
	require.InDelta(t, 2, least+most, 1e-3)
	require.Greater(t, most, float32(1.3))
}
