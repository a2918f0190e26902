package view_test

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/volume"
)

func TestViewServesUntilInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no interrupt can be sent to another process on Windows")
	}
	dir := t.TempDir()
	v := volume.New(volume.Grid{Size: [3]int{8, 8, 8}, Affine: volume.Identity})
	v.Data[7] = 1
	scan, small := filepath.Join(dir, "scan.nii.gz"), filepath.Join(dir, "small.nii.gz")
	require.NoError(t, volume.Write(scan, v, volume.Float32))
	require.NoError(t, volume.Write(small, volume.New(volume.Grid{Size: [3]int{4, 4, 4}, Affine: volume.Identity}), volume.Uint8))

	cmd := clitest.Command("view", scan, "--mask", small, "--no-browser")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	address := strings.TrimSpace(line)
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/\?token=\w+$`, address)

	get := func(url string) (int, string) {
		r, err := http.Get(url)
		require.NoError(t, err)
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return r.StatusCode, string(b)
	}
	status, page := get(address)
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, page, "voxgrad view")
	status, _ = get(strings.Split(address, "?")[0])
	require.Equal(t, http.StatusForbidden, status)

	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		require.NoError(t, err, "an interrupt is the way to end it, not a failure")
	case <-time.After(time.Minute):
		t.Fatal("still serving a minute after the interrupt")
	}
	require.Contains(t, stderr.String(), "Ctrl-C")
	require.Contains(t, stderr.String(), "not in the same space")
}

func TestViewRefusesBeforeServing(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("no image ", 100)), 0o600))
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{2, "no scan", []string{"view"}},
		{2, "no scan", []string{"view", "--mask", text}},
		{2, "--port", []string{"view", text, "--port", "70000"}},
		{1, "notes.txt", []string{"view", text}},
		{1, "notes.txt", []string{"view", "--time1", text, "--no-browser"}},
		{1, "absent.nii", []string{"view", filepath.Join(dir, "absent.nii")}},
	} {
		status, stdout, stderr := clitest.Run(t, c.args...)
		require.Equal(t, c.status, status, "%v\n%s", c.args, stderr)
		require.Contains(t, stderr, c.says)
		require.Empty(t, stdout, "nothing is served")
	}
}
