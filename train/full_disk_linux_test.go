package train

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// limitFiles makes writes fail beyond a file size, in the middle of a file, as on
// a disk that is full.
func limitFiles(bytes string) {
	if bytes == "" {
		return
	}
	n, err := strconv.ParseUint(bytes, 10, 64)
	if err != nil {
		panic(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
		panic(err)
	}
}

func TestFullDiskKeepsTheOldCheckpoint(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	folder := t.TempDir()
	dir := FoldFolder(folder, 0)
	ctx, watch := stopAt(5)
	run(t, ctx, childConfig(""), folder, false, watch)
	last := filepath.Join(dir, LastFile)
	before, err := os.ReadFile(last)
	require.NoError(t, err)

	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "VOXGRAD_TRAIN_CHILD="+folder, "VOXGRAD_TRAIN_DATA="+data,
		"VOXGRAD_TRAIN_LIMIT="+strconv.Itoa(len(before)-1000))
	var message strings.Builder
	cmd.Stderr = &message
	require.Error(t, cmd.Run())
	require.Equal(t, 1, strings.Count(strings.TrimSpace(message.String()), "\n")+1, "one line: %s", message.String())
	require.Contains(t, message.String(), "cannot write "+last)
	require.Contains(t, message.String(), "file too large")

	after, err := os.ReadFile(last)
	require.NoError(t, err)
	require.True(t, string(before) == string(after), "the old checkpoint is as it was")
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	require.NoError(t, err)
	require.Empty(t, left, "nothing half-written")
	s := run(t, context.Background(), childConfig(""), folder, true, nil)
	require.Equal(t, AllEpochs, s.Reason)
}
