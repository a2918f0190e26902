package demo

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// A made-up head is two raw scans on grids of their own, and what is new is bright at the second visit, where the head is placed otherwise.
func TestHeadsAreRawPairs(t *testing.T) {
	if testing.Short() {
		t.Skip("draws a whole head")
	}
	dir := t.TempDir()
	d := demo{seed: 1}
	require.NoError(t, d.head(dir, 0))
	var scans [2]*volume.Volume
	for k, name := range []string{headTime1, headTime2} {
		v, err := volume.Read(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, float64(thickness[k]), v.Spacing()[2])
		scans[k] = v
	}
	truth, err := volume.ReadMask(filepath.Join(dir, headTruth))
	require.NoError(t, err)
	require.Equal(t, scans[0].Grid, truth.Grid)
	_, pieces, err := volume.Components(truth.Data, truth.Size, 26)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(pieces), 2)
	air := 0
	for _, x := range scans[0].Data {
		require.True(t, x >= 0 && x < 2000)
		if x < 30 {
			air++
		}
	}
	require.Greater(t, air, len(scans[0].Data)/20)
}
