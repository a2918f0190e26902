package synth

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/augment"
)

func TestAnatomiesAreDrawnByLikelihood(t *testing.T) {
	size := [3]int{24, 20, 16}
	n := size[0] * size[1] * size[2]
	white, fluid := TissueMap{WhiteMatter, make([]float32, n)}, TissueMap{Ventricle, make([]float32, n)}
	for i := range n {
		x, y, z := i%24, i/24%20, i/480
		if x >= 6 && x < 18 && y >= 6 && y < 14 && z >= 5 && z < 11 {
			white.At[i], fluid.At[i] = 0.7, 0.3
		}
	}
	count := func(rough float64, seed uint64) (c [classes]int, a *Anatomy) {
		a, err := DrawAnatomy(augment.NewStream(seed), "drawn", size, []TissueMap{white, fluid}, rough, 3)
		require.NoError(t, err)
		for _, v := range a.voxels {
			c[v&^brainBit]++
		}
		return c, a
	}
	exact, _ := count(0, 1)
	require.Equal(t, 12*8*6, exact[WhiteMatter])
	require.Zero(t, exact[Ventricle])
	rough, a := count(0.3, 1)
	require.Greater(t, rough[Ventricle], 10)
	require.Greater(t, rough[WhiteMatter], rough[Ventricle])
	_, b := count(0.3, 1)
	require.Equal(t, a.voxels, b.voxels)
	_, b = count(0.3, 2)
	require.NotEqual(t, a.voxels, b.voxels)
}

func TestBlobsAreShapes(t *testing.T) {
	l := NewLibrary(Options{ShapeMin: 4, ShapeMax: 4000})
	require.NoError(t, l.AddBlobs(augment.NewStream(1), 40))
	require.GreaterOrEqual(t, l.Len(), 40)
	small, large := 1<<30, 0
	for _, s := range l.shapes {
		small, large = min(small, len(s.Voxels)), max(large, len(s.Voxels))
	}
	require.Less(t, small, 40)
	require.Greater(t, large, 400)
}
