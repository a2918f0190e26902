package synth

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// The lesion prior of the shared data suits brains in its space, on any grid.
func TestSharedPrior(t *testing.T) {
	root := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the shared data are not here: ", err)
	}
	prior, err := volume.Read(filepath.Join(root, "lesion_prior", "lesion_count.nii.gz"))
	require.NoError(t, err)
	for _, name := range []string{"patient07", "patient19"} {
		brain, err := volume.ReadMask(filepath.Join(root, "cross_sectional", name, "brainmask.nii.gz"))
		require.NoError(t, err)
		brain = brain.Resample(brain.Canonical())
		likely, err := Likely(brain, prior)
		require.NoError(t, err)
		v, n := 0.0, 0
		for i, in := range brain.Data {
			if in && likely[i] > 0 {
				v += float64(likely[i])
				n++
			}
		}
		require.Greater(t, n, 50000, "the 29 patients have lesions in many places")
		require.LessOrEqual(t, v/float64(n), 29.0)
		moved := *prior
		moved.Affine[1][3] += 60
		_, err = Likely(brain, &moved)
		require.ErrorContains(t, err, "another space")
	}
}
