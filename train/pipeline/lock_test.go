package pipeline

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/internal/lockfile"
	"voxgrad/train"
)

// opened is a pipeline that clears nothing.
func opened(t *testing.T, c Config, out string) *Pipeline {
	t.Helper()
	p := folder(t, c, out, nil)
	p.job.Overwrite = false
	return p
}

// While a process runs a pipeline in a folder, one with other settings is kept out; steps
// of the same configuration may be done beside it.
func TestTwoProcessesInOneFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	out := filepath.Join(t.TempDir(), "run")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "VOXGRAD_PIPELINE_CHILD="+out, "VOXGRAD_PIPELINE_DATA="+data)
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(pipe)
	for lines.Scan() && lines.Text() != "step generator" {
	}
	other := tiny()
	other.Seed = 2
	for _, overwrite := range []bool{false, true} {
		p := opened(t, other, out)
		p.job.Overwrite = overwrite
		err := p.Run(context.Background())
		require.ErrorContains(t, err, "with other settings or for something else, by process")
		require.ErrorContains(t, err, fmt.Sprintf("process %d on ", cmd.Process.Pid))
	}
	err = opened(t, tiny(), out).Run(context.Background())
	require.ErrorContains(t, err, fmt.Sprintf("is in use by process %d on ", cmd.Process.Pid))
	require.ErrorContains(t, err, "step generator", "both want the same step")

	for range lines.Text() {
		if !lines.Scan() {
			break
		}
	}
	for lines.Scan() {
	}
	require.NoError(t, cmd.Wait(), "nobody has disturbed it")
	names, _ := ran(t, tiny(), out)
	require.Empty(t, names)
	require.NoFileExists(t, filepath.Join(out, lockfile.Name))
}

// Results of other settings are cleared with Overwrite alone, and refused before any step.
func TestOtherResultsAreNotCleared(t *testing.T) {
	out := t.TempDir()
	ran(t, short(), out)
	want := results(t, out, true)
	for what, change := range map[string]func(*Config){
		"seed was 1, is 2":                      func(c *Config) { c.Seed = 2 },
		"adam.learning_rate was 0.0001, is 0.5": func(c *Config) { c.Finetune.Adam.LearningRate = 0.5 },
		"predict.mirror was false, is true":     func(c *Config) { c.Predict.Mirror = true },
	} {
		c := short()
		change(&c)
		err := opened(t, c, out).Run(context.Background())
		require.ErrorContains(t, err, what)
		require.ErrorContains(t, err, "--overwrite")
		require.Equal(t, want, results(t, out, true), what)
	}
	require.NoError(t, opened(t, short(), out).Run(context.Background()))
	more := short()
	more.Members = 2
	require.ErrorContains(t, opened(t, more, out).Run(context.Background()), "step predict with other inputs (changed: member 1)")
	for f, h := range want {
		require.Equal(t, h, results(t, out, true)[f], "the other member is trained, and nothing cleared")
	}
	require.NoError(t, os.RemoveAll(filepath.Join(out, "finetune", "fold_1")))

	// What something else has made of a result is somebody's work; what is gone is made again.
	mask := filepath.Join(out, "predictions", "case0_new.nii.gz")
	b, err := os.ReadFile(mask)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(mask, append(b, 0), 0o666))
	require.ErrorContains(t, opened(t, short(), out).Run(context.Background()), "changed by something else")
	require.NoError(t, os.Remove(mask))
	require.NoError(t, opened(t, short(), out).Run(context.Background()))
	require.Equal(t, want, results(t, out, true))

	// Neither is half a run of other settings, nor what a step that runs again would clear.
	out = t.TempDir()
	c := short()
	c.Seed = 3
	stopping(t, c, out, 2)
	require.ErrorContains(t, opened(t, short(), out).Run(context.Background()), "was begun")
	c.Finetune.Adam.LearningRate = 0.25
	require.ErrorContains(t, opened(t, c, out).Run(context.Background()), "--overwrite")
}

// Temporary files of killed runs are swept, and a case whose files could not be written
// is found before all training.
func TestBeforeTheFirstStep(t *testing.T) {
	out := t.TempDir()
	left := filepath.Join(out, "predictions", ".case0_new.nii.gz.77-0.tmp")
	require.NoError(t, os.MkdirAll(filepath.Join(out, stepsFolder), 0o777))
	require.NoError(t, os.MkdirAll(filepath.Dir(left), 0o777))
	require.NoError(t, os.WriteFile(left, nil, 0o666))
	long := filepath.Join(t.TempDir(), "long.csv")
	pair := filepath.Join(data, "pairs", "case0")
	require.NoError(t, os.WriteFile(long, []byte("case,time1,time2,mask,brainmask\n"+strings.Repeat("n", 230)+","+
		pair+"/flair_time01_on_middle_space.nii.gz,"+pair+"/flair_time02_on_middle_space.nii.gz,"+pair+"/ground_truth.nii.gz,"+pair+"/brain_mask.nii.gz\n"), 0o666))
	c := short()
	c.Data.Test.Root = long
	err := opened(t, c, out).Run(context.Background())
	require.ErrorContains(t, err, "has 230 bytes")
	require.NoDirExists(t, filepath.Join(out, "finetune"))
	require.NoFileExists(t, left)
}

func FuzzStamp(f *testing.F) {
	f.Add([]byte(`{"step":"segmenter","inputs":{"data":"x"},"config":{"seed":"1"},"outputs":{"a":"b"},"seconds":1}`))
	f.Add([]byte(`{"step":"segmenter","inputs":{"data":"x"},"config":{"seed":"1"},"seconds":1}`))
	f.Add([]byte(`{"inputs":null}`))
	dev := cpu.New()
	f.Fuzz(func(t *testing.T, b []byte) {
		out := t.TempDir()
		p, err := Open(Job{Config: short(), Out: out, Device: dev, OpenDry: train.DryTensors})
		require.NoError(t, err)
		require.NoError(t, os.Mkdir(p.path(stepsFolder), 0o777))
		s := p.steps[0]
		for _, file := range []string{p.stampFile(s), p.begunFile(s)} {
			require.NoError(t, os.WriteFile(file, b, 0o666))
		}
		why, _, err := p.current(s, &inputs{hashes: map[string]string{"data": "x"}, config: map[string]string{"seed": "1"}})
		if err == nil {
			require.NotEmpty(t, why, "there are no files that a stamp could hold for")
		}
	})
}

// What does not fit into the memory is found before the first step.
func TestMemoryIsLookedAtBeforeTheFirstStep(t *testing.T) {
	for want, change := range map[string]func(*Pipeline){
		"step finetune/fold_0: not enough memory: it needs": func(p *Pipeline) { p.job.Config.Finetune.Run.Batch = 64 },
		"step finetune/fold_0: not enough memory: a det":    func(p *Pipeline) { p.job.Config.Finetune.Run.Batch, p.job.HostLimit = 1<<15, 0 },
		"step finetune/fold_0: not enough memory: the pat":  func(p *Pipeline) { p.job.Config.Finetune.Run.Ahead = 1000 },
		"step predict: not enough memory: it needs":         func(p *Pipeline) { p.job.Config.Predict.Patch = [3]int{128, 128, 128} },
	} {
		out := filepath.Join(t.TempDir(), "run")
		p := opened(t, tiny(), out)
		p.job.Limit, p.job.HostLimit = 30<<20, 30<<20
		change(p)
		require.ErrorContains(t, p.Run(context.Background()), want)
		require.NoDirExists(t, out)
	}
}
