package outfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func says(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func names(t *testing.T, dir string) (list []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestASetAppearsTogether(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	require.NoError(t, WriteBytes(a, []byte("old")))
	var s Set
	require.NoError(t, s.Write(a, says("new")))
	require.NoError(t, s.Write(b, says("new")))
	require.NoFileExists(t, b)
	require.NoError(t, s.Commit())
	s.Discard()
	require.Equal(t, []string{"a", "b"}, names(t, dir))
	for _, path := range []string{a, b} {
		got, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "new", string(got))
	}
}

func TestAFailedSetLeavesEverythingAsItWas(t *testing.T) {
	dir := t.TempDir()
	a, b, c := filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")
	require.NoError(t, WriteBytes(a, []byte("old")))
	fill := func() *Set {
		s := &Set{}
		require.NoError(t, s.Write(a, says("new")))
		require.NoError(t, s.Write(b, says("new")))
		require.NoError(t, s.Write(c, says("new")))
		return s
	}
	asBefore := func(more ...string) {
		require.Equal(t, append([]string{"a"}, more...), names(t, dir))
		got, err := os.ReadFile(a)
		require.NoError(t, err)
		require.Equal(t, "old", string(got))
	}

	s := fill()
	require.ErrorContains(t, s.Write(filepath.Join(dir, "d"), func(io.Writer) error { return errors.New("no more") }), "no more")
	s.Discard()
	asBefore()

	s = fill()
	require.NoError(t, os.Mkdir(c, 0o777)) // in the way of the last one
	require.ErrorContains(t, s.Commit(), "cannot write "+c)
	asBefore("c")
	require.DirExists(t, c)
}

// Names at the limit of a file system have temporary files that keep it.
func TestLongNames(t *testing.T) {
	dir := t.TempDir()
	name := strings.Repeat("ä", 120) + ".nii.gz"
	require.NoError(t, WriteBytes(filepath.Join(dir, name), nil))
	require.Equal(t, []string{name}, names(t, dir))
	require.Error(t, Check(filepath.Join(dir, strings.Repeat("x", 300))))
}

func TestWriteProtectedFilesStay(t *testing.T) {
	p := filepath.Join(t.TempDir(), "a")
	require.NoError(t, os.WriteFile(p, []byte("old"), 0o444))
	require.ErrorContains(t, WriteBytes(p, nil), "write-protected")
}
