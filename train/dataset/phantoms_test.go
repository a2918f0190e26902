package dataset

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPhantomsDoNotMixWithOtherFiles(t *testing.T) {
	dir := t.TempDir()
	p := Phantoms{Folder: dir, Prefix: "phantom", Count: 2, Seed: 1, Size: [3]int{24, 24, 24}}
	require.NoError(t, p.Write(t.Context()))
	require.NoError(t, p.Write(t.Context()), "the same again")
	p.Count = 1
	require.ErrorContains(t, p.Write(t.Context()), dir+" holds other files (phantom002)")
	require.FileExists(t, filepath.Join(dir, "phantom002", PhantomTruth))
	touch(t, dir, "patient/flair_time01_on_middle_space.nii.gz")
	p.Count = 2
	require.ErrorContains(t, p.Write(t.Context()), "choose an empty folder")
}
