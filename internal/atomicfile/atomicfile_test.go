package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteReplacesWhole(t *testing.T) {
	p := filepath.Join(t.TempDir(), "a.txt")
	require.NoError(t, WriteBytes(p, []byte("old")))
	require.NoError(t, WriteBytes(p, []byte("new")))
	b, err := os.ReadFile(p)
	require.NoError(t, err)
	require.Equal(t, "new", string(b))
}

func TestFailureLeavesOldFileAndNothingElse(t *testing.T) {
	dir := t.TempDir()
	p := filepath.Join(dir, "a.txt")
	require.NoError(t, WriteBytes(p, []byte("old")))
	err := Write(p, func(w io.Writer) error {
		_, _ = w.Write(make([]byte, 3<<20)) // past the buffer, so that bytes reach the disk
		return errors.New("disk is full")
	})
	require.ErrorContains(t, err, p)
	require.ErrorContains(t, err, "disk is full")
	b, _ := os.ReadFile(p)
	require.Equal(t, "old", string(b))
	entries, _ := os.ReadDir(dir)
	require.Len(t, entries, 1)
}

func TestMissingFolderNamesTheFile(t *testing.T) {
	p := filepath.Join(t.TempDir(), "no", "a.txt")
	require.ErrorContains(t, WriteBytes(p, nil), p)
}
