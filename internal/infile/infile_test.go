//go:build unix

package infile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	require.NoError(t, os.WriteFile(file, []byte("12345"), 0o600))
	require.NoError(t, os.Symlink(file, filepath.Join(dir, "link")))
	for _, path := range []string{file, filepath.Join(dir, "link")} {
		b, err := Read(path, 5)
		require.NoError(t, err)
		require.Equal(t, "12345", string(b))
	}
	_, err := Read(file, 4)
	require.ErrorContains(t, err, file+" has more than 4 bytes")

	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for path, what := range map[string]string{dir: "a folder", pipe: "a named pipe", "/dev/zero": "a device"} {
		_, err := Open(path)
		require.ErrorContains(t, err, path+" is "+what)
	}
	_, err = Open(filepath.Join(dir, "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
