package outfile

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

// A rename would put a file in the place of what is no file: as root even in that of
// /dev/null.
func TestOnlyFilesAreReplaced(t *testing.T) {
	dir := t.TempDir()
	require.ErrorContains(t, WriteBytes(dir, nil), "it is a folder")
	require.DirExists(t, dir)
	file := filepath.Join(dir, "file")
	require.NoError(t, WriteBytes(file, nil))
	require.ErrorContains(t, WriteBytes(filepath.Join(file, "x"), nil), "not a directory")
	device := filepath.Join(dir, "device")
	require.NoError(t, os.Symlink(os.DevNull, device))
	require.ErrorContains(t, Check(device), "device or a pipe")
	require.ErrorContains(t, WriteBytes(device, nil), device)
	info, err := os.Lstat(device)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink, "it was replaced")
	require.NoError(t, Check(filepath.Join(dir, "new")))
	require.NoError(t, Check("new"))
}
