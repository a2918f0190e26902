package outfile

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFoldersThatStayEmptyGo(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	tidy, err := Folder(at("a/b/c"))
	require.NoError(t, err)
	require.DirExists(t, at("a/b/c"))
	tidy()
	require.NoDirExists(t, at("a"))
	tidy() // once more does nothing

	// What something is in stays, with what is around it; what was there before stays, too.
	require.NoError(t, os.MkdirAll(at("old"), 0o777))
	tidy, err = Folder(at("old/b/c"))
	require.NoError(t, err)
	require.NoError(t, WriteBytes(at("old/b/file"), nil))
	tidy()
	require.NoDirExists(t, at("old/b/c"))
	require.FileExists(t, at("old/b/file"))
	tidy, err = Folder(at("old"))
	require.NoError(t, err)
	tidy()
	require.DirExists(t, at("old"))
	tidy, err = Folder(at("new/."))
	require.NoError(t, err)
	tidy()
	require.NoDirExists(t, at("new"))

	_, err = Folder(at("old/b/file/x"))
	require.ErrorContains(t, err, "cannot make the folder "+at("old/b/file/x"))
	require.Empty(t, folders)

	// Several that fill one folder at a time do not take it from one another.
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for range 50 {
				own := at("many/" + string(rune('a'+n)))
				tidy, err := Folder(own)
				if err == nil {
					err = WriteBytes(own+"/file", nil)
				}
				require.NoError(t, err)
				require.NoError(t, os.RemoveAll(own))
				tidy()
			}
		})
	}
	all.Wait()
	require.NoDirExists(t, at("many"))
}

// A process that is abandoned leaves no empty folder.
func TestAbandonedFolders(t *testing.T) {
	if dir := os.Getenv("VOXGRAD_ABANDON"); dir != "" {
		for _, name := range []string{"a/b", "a/c", "full"} {
			_, err := Folder(filepath.Join(dir, name))
			require.NoError(t, err)
		}
		require.NoError(t, WriteBytes(filepath.Join(dir, "full/file"), nil))
		Abandon()
		os.Exit(7)
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=TestAbandonedFolders")
	cmd.Env = append(os.Environ(), "VOXGRAD_ABANDON="+dir)
	require.Error(t, cmd.Run())
	require.Equal(t, 7, cmd.ProcessState.ExitCode())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.FileExists(t, filepath.Join(dir, "full/file"))
}
