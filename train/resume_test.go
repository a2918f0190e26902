package train

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
	"voxgrad/models"
)

// stopAt cancels the run after a step.
func stopAt(step int) (context.Context, func(Event)) {
	ctx, cancel := context.WithCancel(context.Background())
	return ctx, func(e Event) {
		if s, ok := e.(StepDone); ok && s.Step == step {
			cancel()
		}
	}
}

func TestResumeGivesTheSameBits(t *testing.T) {
	c := tiny()
	whole := t.TempDir()
	s := run(t, context.Background(), c, whole, false, nil)
	require.Equal(t, AllEpochs, s.Reason)
	require.Equal(t, 12, s.Steps)
	want := files(t, whole)

	// In an epoch, right before a validation, right after the first step; and several times.
	for _, stops := range [][]int{{1}, {4}, {6}, {2, 7, 8, 11}} {
		folder := t.TempDir()
		for i, k := range stops {
			ctx, watch := stopAt(k)
			s := run(t, ctx, c, folder, i > 0, watch)
			require.Equal(t, Interrupted, s.Reason)
			require.Equal(t, k, s.Steps)
		}
		s := run(t, context.Background(), c, folder, true, nil)
		require.Equal(t, AllEpochs, s.Reason)
		requireSameFiles(t, want, files(t, folder))
	}
}

// Wherever the end of an epoch stops, after the last one too, a resumed run does it again:
// the checkpoint is what is written last.
func TestResumeWhereAnEpochsEndStopped(t *testing.T) {
	c := tiny()
	c.Run.Epochs = 1
	whole := t.TempDir()
	run(t, context.Background(), c, whole, false, nil)

	folder := t.TempDir()
	metrics := filepath.Join(FoldFolder(folder, 0), "metrics.csv")
	require.NoError(t, os.MkdirAll(filepath.Join(metrics, "in the way"), 0o777))
	dev := cpu.New()
	defer func() { require.NoError(t, dev.Close()) }()
	_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: folder})
	require.ErrorContains(t, err, metrics)
	require.NoError(t, os.RemoveAll(metrics))
	run(t, context.Background(), c, folder, true, nil)
	requireSameFiles(t, files(t, whole), files(t, folder))
}

// Interrupted while it validates, a run validates again.
func TestResumeFromAValidation(t *testing.T) {
	c := tiny()
	c.Run.Epochs = 2
	whole := t.TempDir()
	run(t, context.Background(), c, whole, false, nil)
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	s := run(t, ctx, c, folder, false, func(e Event) {
		if v, ok := e.(Validating); ok && v.Epoch == 2 && v.Done == 1 {
			cancel()
		}
	})
	require.Equal(t, Interrupted, s.Reason)
	require.Equal(t, 1, s.Epochs)
	require.Equal(t, 8, s.Steps)
	run(t, context.Background(), c, folder, true, nil)
	requireSameFiles(t, files(t, whole), files(t, folder))
}

// More epochs can be added to a run that is through.
func TestResumeWithMoreEpochs(t *testing.T) {
	c := tiny()
	c.Run.Epochs = 2
	folder := t.TempDir()
	run(t, context.Background(), c, folder, false, nil)
	s := run(t, context.Background(), c, folder, true, nil)
	require.Equal(t, AllEpochs, s.Reason)
	require.Zero(t, s.SessionSteps, "nothing was left to do")
	c.Run.Epochs = 3
	run(t, context.Background(), c, folder, true, nil)
	whole := t.TempDir()
	run(t, context.Background(), c, whole, false, nil)
	requireSameFiles(t, files(t, whole), files(t, folder))
}

func TestOtherSettingsAreNotResumed(t *testing.T) {
	c := tiny()
	c.Run.Epochs = 1
	folder := t.TempDir()
	run(t, context.Background(), c, folder, false, nil)
	before := files(t, folder)
	dev := cpu.New()
	defer dev.Close()

	try := func(c Config, resume bool) error {
		_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: folder, Resume: resume})
		return err
	}
	require.ErrorContains(t, try(c, false), "already holds a run")
	other := c
	other.Adam.LearningRate = 1
	require.ErrorContains(t, try(other, true), "adam.learning_rate was 0.003, is 1")
	other = c
	other.Seed = 2
	require.ErrorContains(t, try(other, true), "seed was 1, is 2")

	// A plain weights file is no checkpoint.
	last := filepath.Join(FoldFolder(folder, 0), LastFile)
	require.NoError(t, os.WriteFile(last, []byte(before[BestFile]), 0o666))
	require.ErrorContains(t, try(c, true), "no training state")
	// Neither is half of one.
	require.NoError(t, os.WriteFile(last, []byte(before[LastFile][:2000]), 0o666))
	err := try(c, true)
	require.ErrorContains(t, err, last)
	require.ErrorContains(t, err, "remove it to start again")
}

// childConfig is what the child process of the kill test trains.
func childConfig(task string) Config {
	c := tiny()
	switch task {
	case "synthetic pairs":
		c = madePairs()
		c.Sampler.Patch, c.Sampler.Jitter = [3]int{8, 8, 8}, 2
	case models.Generator:
		c = restorer(task)
	}
	if c.Augmentation.Bias.P == 0 {
		panic("the kill test is of augmentation too")
	}
	c.Run.Steps, c.Run.Epochs, c.Run.SaveEvery = 10, 3, 3
	return c
}

// A process is killed at random moments, in the middle of whatever it does, and
// started again until it is through.
func TestKilledProcessResumesToTheSameBits(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	for _, task := range []string{models.Segmenter, models.Generator, "synthetic pairs"} {
		t.Run(task, func(t *testing.T) { killAndResume(t, task) })
	}
}

func killAndResume(t *testing.T, task string) {
	whole := t.TempDir()
	run(t, context.Background(), childConfig(task), whole, false, nil)

	folder := t.TempDir()
	moments := rng.New(uint64(time.Now().UnixNano()))
	kills := 0
	for range 20 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "VOXGRAD_TRAIN_CHILD="+folder, "VOXGRAD_TRAIN_DATA="+data, "VOXGRAD_TRAIN_TASK="+task)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		// Killed a random moment after some step, so that it always gets somewhere.
		after, pause := 4+moments.Intn(6), time.Duration(moments.Intn(20_000))*time.Microsecond
		killed := false
		for lines, n := bufio.NewScanner(out), 1; lines.Scan(); n++ {
			if n == after && kills < 3 {
				time.Sleep(pause)
				killed = cmd.Process.Kill() == nil
				break
			}
		}
		err = cmd.Wait()
		if killed {
			require.Error(t, err)
			kills++
			t.Logf("killed %v after step %d of its session, checkpoint at step %s", pause, after, lastStep(t, folder))
			continue
		}
		require.NoError(t, err)
		require.Equal(t, 3, kills)
		requireSameFiles(t, files(t, whole), files(t, folder))
		return
	}
	t.Fatal("the child never came to its end")
}

func lastStep(t *testing.T, folder string) string {
	s, err := readLast(filepath.Join(FoldFolder(folder, 0), LastFile))
	require.NoError(t, err)
	return strconv.Itoa(s.Step)
}
