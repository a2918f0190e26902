package prepare

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/prepare"
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
