package outfile

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSweepRemovesWhatKilledWritesLeft(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, Sweep(filepath.Join(dir, "absent")))
	f, err := create(dir, "progress.png") // as a killed process leaves it
	require.NoError(t, err)
	require.NoError(t, f.Close())
	keep := []string{".x.tmp", "x.1-2.tmp", ".hidden", ".progress.png.1-2.tmp.png"}
	for _, name := range keep {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".folder.1-2.tmp"), 0o700))
	require.NoError(t, Sweep(dir))
	require.NoFileExists(t, f.Name())
	for _, name := range keep {
		require.FileExists(t, filepath.Join(dir, name))
	}
	require.DirExists(t, filepath.Join(dir, ".folder.1-2.tmp"))
}
