package prepare

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/prepare"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

func TestPreparationsAreNotMixed(t *testing.T) {
	dir := t.TempDir()
	for times := 1; times <= 2; times++ {
		require.NoError(t, unmixed(filepath.Join(dir, "absent"), times))
		require.NoError(t, unmixed(dir, times))
	}
	for _, name := range prepare.Files(2) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o666))
	}
	require.NoError(t, unmixed(dir, 2), "the same is made anew")
	require.ErrorContains(t, unmixed(dir, 1), "flair_time01.nii.gz is there, of another preparation")
}

// The new lesions of a pair belong to its second scan where both scans could be meant.
func TestLesionsAreOfTheScanThatShowsThem(t *testing.T) {
	v := volume.New(volume.Grid{Size: [3]int{4, 5, 6}, Affine: volume.Identity})
	other := volume.New(volume.Grid{Size: [3]int{6, 5, 4}, Affine: volume.Identity})
	m := volume.NewMask(v.Grid)
	m.Data[7] = true
	file := filepath.Join(t.TempDir(), "new.nii.gz")
	require.NoError(t, volume.WriteMask(file, m))
	c := dataset.Case{ID: "one", Masks: []string{file}}
	for want, times := range map[int][]*volume.Volume{0: {v, other}, 1: {v, v}} {
		got, of, err := lesionsOf(c, times)
		require.NoError(t, err)
		require.Equal(t, want, of)
		require.Equal(t, m.Data, got.Data)
	}
	_, _, err := lesionsOf(c, []*volume.Volume{other, other})
	require.ErrorContains(t, err, "new.nii.gz are not in the same space")
}
