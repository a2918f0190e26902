package synth

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

func TestLikely(t *testing.T) {
	s := phantomScan(t, 0)
	grid := s.Image.Grid
	none, err := Likely(s.Brain)
	require.NoError(t, err)
	require.Nil(t, none)

	// A coarse map of the brain on a grid of its own.
	coarse := volume.Grid{Size: [3]int{20, 24, 20}, Affine: grid.Affine}
	for a := range 3 {
		coarse.Affine[a][a] *= 2
	}
	prior := volume.Resample(s.Brain.Volume(), coarse, volume.Linear, 0)
	prior.Path = "prior.nii"
	one, err := Likely(s.Brain, prior)
	require.NoError(t, err)
	two, err := Likely(s.Brain, prior, prior)
	require.NoError(t, err)
	inside := 0
	for i, v := range one {
		require.Equal(t, v*v, two[i])
		if s.Brain.Data[i] && v > 0.99 {
			inside++
		}
	}
	require.Greater(t, inside, s.Brain.Count()/2)

	for want, change := range map[string]func(v *volume.Volume){
		"at least 0":        func(v *volume.Volume) { v.Data[7] = -1 },
		"finite":            func(v *volume.Volume) { v.Data[7] = float32(math.Inf(1)) },
		"zero everywhere":   func(v *volume.Volume) { clear(v.Data) },
		"does not overlap":  func(v *volume.Volume) { v.Affine[0][3] += 500 },
		"lies inside the b": func(v *volume.Volume) { v.Affine[0][3] += 25 },
	} {
		v := *prior
		v.Data = append([]float32(nil), prior.Data...)
		change(&v)
		_, err := Likely(s.Brain, &v)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "prior.nii")
	}
	left, right := *prior, *prior
	left.Data, right.Data = append([]float32(nil), prior.Data...), append([]float32(nil), prior.Data...)
	for i := range left.Data {
		if i%20 < 10 {
			right.Data[i] = 0
		}
		if i%20 >= 7 {
			left.Data[i] = 0
		}
	}
	_, err = Likely(s.Brain, &left, &right)
	require.ErrorContains(t, err, "exclude each other")
}
