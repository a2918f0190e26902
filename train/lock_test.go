package train

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/internal/lockfile"
)

// While a process trains in a folder no other one does, whatever its settings, from the
// first look on; a crash leaves nothing in the way.
func TestTwoProcessesDoNotTrainInOneFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	folder := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "VOXGRAD_TRAIN_CHILD="+folder, "VOXGRAD_TRAIN_DATA="+data)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan(), "its first step")

	dev := cpu.New()
	defer dev.Close()
	other := childConfig("")
	other.Seed = 99
	for _, c := range []Config{childConfig(""), other} {
		for _, resume := range []bool{true, false} {
			_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: folder, Resume: resume})
			require.ErrorContains(t, err, fmt.Sprintf("is in use by process %d on ", cmd.Process.Pid))
			require.ErrorContains(t, err, filepath.Base(os.Args[0]))
		}
	}
	other.Data.Fold = 1
	run(t, context.Background(), other, folder, false, nil) // another fold is another folder

	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.Equal(t, AllEpochs, run(t, context.Background(), childConfig(""), folder, true, nil).Reason)
	require.NoFileExists(t, filepath.Join(FoldFolder(folder, 0), lockfile.Name))
	whole := t.TempDir()
	run(t, context.Background(), childConfig(""), whole, false, nil)
	requireSameFiles(t, files(t, whole), files(t, folder))
}

// A run that ends before its first step leaves nothing, not even its folder; what a killed
// one has left is swept by the next.
func TestNothingIsLeftBeforeTheFirstStep(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "runs", "a")
	ctx, cancel := context.WithCancel(context.Background())
	s := run(t, ctx, tiny(), folder, false, func(e Event) {
		if _, ok := e.(Started); ok {
			cancel()
		}
	})
	require.Equal(t, Interrupted, s.Reason)
	require.Zero(t, s.Steps)
	require.NoDirExists(t, filepath.Dir(folder))

	ctx, cancel = context.WithCancel(context.Background())
	cancel()
	s = run(t, ctx, restorer("inpainter"), folder, false, nil)
	require.Equal(t, Interrupted, s.Reason, "while the data are read")
	require.NoDirExists(t, filepath.Dir(folder))

	left := filepath.Join(FoldFolder(folder, 0), ".progress.png.123-0.tmp")
	require.NoError(t, os.MkdirAll(filepath.Dir(left), 0o777))
	require.NoError(t, os.WriteFile(left, nil, 0o666))
	run(t, context.Background(), tiny(), folder, true, nil)
	require.NoFileExists(t, left)
}

func TestWhatDoesNotFitIsRefusedBeforeAnythingIsRead(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	folder := filepath.Join(t.TempDir(), "run")
	try := func(change func(*Config)) error {
		c := tiny()
		c.Data.Root = "/there/is/none"
		change(&c)
		_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: folder, Limit: 20 << 20, OpenDry: DryTensors, HostLimit: 8 << 20})
		require.NoDirExists(t, folder)
		return err
	}
	require.ErrorContains(t, try(func(c *Config) { c.Run.Ahead = 200 }), "the patches of 202 batches of 2")
	require.ErrorContains(t, try(func(c *Config) { c.Run.Batch = 40 }), "not enough memory: a segmenter of width 2 on patches of 16×16×16")
	require.ErrorContains(t, try(func(c *Config) { c.Run.Batch = 1 << 16 }), "not enough memory: the patches")
	require.ErrorContains(t, try(func(c *Config) {
		c.Sampler.Patch = [3]int{128, 128, 128}
		c.Run.Batch, c.Run.Ahead = 1, 0
		c.Network.Width = 100
	}), "memory")
	require.ErrorContains(t, try(func(c *Config) { c.Sampler.Patch = [3]int{1 << 40, 1 << 40, 1 << 40} }), "voxels")
	require.ErrorContains(t, try(func(c *Config) { c.Data.CacheMB = 1 << 60 }), "data.cache_mb")
	require.ErrorContains(t, try(func(c *Config) {}), "/there/is/none")
}
