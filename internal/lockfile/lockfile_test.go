package lockfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain is also another process: it takes the lock that the environment names, tells how
// that went, and waits for its input to end.
func TestMain(m *testing.M) {
	dir, ok := os.LookupEnv("VOXGRAD_LOCK_DIR")
	if !ok {
		os.Exit(m.Run())
	}
	var err error
	if key := os.Getenv("VOXGRAD_LOCK_KEY"); key == "" {
		_, err = Folder(dir)
	} else {
		_, err = Shared(dir, key, func() error { return nil })
	}
	fmt.Println(err)
	_, _ = io.ReadAll(os.Stdin)
	os.Exit(0)
}

// other starts a process that takes a lock and returns what it says about that.
func other(t *testing.T, dir, key string) (cmd *exec.Cmd, said string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "some", "command")
	cmd.Env = append(os.Environ(), "VOXGRAD_LOCK_DIR="+dir, "VOXGRAD_LOCK_KEY="+key)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	said, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return cmd, strings.TrimSpace(said)
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
}

func TestOneProcessAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	l, err := Folder(dir)
	require.NoError(t, err)
	_, said := other(t, dir, "")
	require.Contains(t, said, dir+" is in use by process "+fmt.Sprint(os.Getpid())+" on ")
	_, said = other(t, dir, "key")
	require.Contains(t, said, dir+" is in use")
	l.Unlock()
	l.Unlock()
	require.NoDirExists(t, filepath.Dir(dir), "made for the lock alone")

	cmd, said := other(t, dir, "")
	require.Equal(t, "<nil>", said)
	_, err = Folder(dir)
	require.ErrorContains(t, err, fmt.Sprintf("process %d on ", cmd.Process.Pid))
	require.ErrorContains(t, err, "some command")
	kill(t, cmd)
	l, err = Folder(dir)
	require.NoError(t, err, "a crash leaves nothing in the way")
	l.Unlock()
}

func TestSharedByTheSameWork(t *testing.T) {
	dir := t.TempDir()
	looked := 0
	l, err := Shared(dir, "one\ntwo", func() error { looked++; return nil })
	require.NoError(t, err)
	same, said := other(t, dir, "one\ntwo")
	require.Equal(t, "<nil>", said)
	_, said = other(t, dir, "else")
	require.Contains(t, said, "with other settings")
	for _, pid := range []int{os.Getpid(), same.Process.Pid} {
		require.Contains(t, said, fmt.Sprintf("process %d on ", pid))
	}
	_, said = other(t, dir, "")
	require.Contains(t, said, dir+" is in use by process")
	l.Unlock()
	_, said = other(t, dir, "else")
	require.Contains(t, said, "with other settings", "the other one still holds it")
	again, err := Shared(dir, "one\ntwo", func() error { looked++; return nil })
	require.NoError(t, err)
	require.Equal(t, 1, looked, "the folder was not free")
	kill(t, same)
	again.Unlock()
	require.NoFileExists(t, filepath.Join(dir, Name))

	bad := errors.New("the look found something")
	_, err = Shared(dir, "else", func() error { return bad })
	require.ErrorIs(t, err, bad)
	l, err = Shared(dir, "else", func() error { looked++; return nil })
	require.NoError(t, err)
	require.Equal(t, 2, looked)
	l.Unlock()
}
