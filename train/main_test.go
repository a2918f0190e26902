package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/train/internal/phantomset"
)

// data is the phantoms of all tests of the package.
var data string

// TestMain also is the child of the kill test: with VOXGRAD_TRAIN_CHILD set to a run
// folder it trains there and does nothing else.
func TestMain(m *testing.M) {
	if folder := os.Getenv("VOXGRAD_TRAIN_CHILD"); folder != "" {
		data = os.Getenv("VOXGRAD_TRAIN_DATA")
		limitFiles(os.Getenv("VOXGRAD_TRAIN_LIMIT"))
		dev := cpu.New()
		_, err := Run(context.Background(), Job{Device: dev, Config: childConfig(os.Getenv("VOXGRAD_TRAIN_TASK")), Folder: folder, Resume: true,
			Events: func(e Event) {
				if s, ok := e.(StepDone); ok {
					fmt.Println(s.Step)
				}
			}})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "voxgrad-train")
	if err == nil {
		data = dir
		err = errors.Join(phantomset.Write(dir, 3), writeWeights())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// weightsFile is where an untrained network of a kind and width 2 is.
func weightsFile(kind string) string { return filepath.Join(data, kind+".safetensors") }

func writeWeights() error {
	dev := cpu.New()
	defer dev.Close()
	for i, kind := range models.Kinds() {
		c := models.Default(kind)
		c.Width = 2
		n, err := models.New(dev, c, uint64(i+5))
		if err != nil {
			return err
		}
		if err := models.Save(n, weightsFile(kind), nil); err != nil {
			return err
		}
		n.Free()
	}
	return nil
}

// tiny is a segmenter that trains in seconds.
func tiny() Config {
	c := Defaults("segmenter")
	c.Data.Root = filepath.Join(data, "single")
	c.Data.Folds = 3
	c.Network.Width = 2
	c.Sampler.Patch = [3]int{16, 16, 16}
	c.Sampler.Jitter = 4
	c.Adam.LearningRate = 3e-3
	c.Run.Batch, c.Run.Steps, c.Run.Epochs, c.Run.ValidPatches = 2, 4, 3, 3
	return c
}

// restorer is an inpainter or a generator that trains in seconds.
func restorer(task string) Config {
	c := tiny()
	d := Defaults(task)
	c.Task, c.Augment = task, d.Augment
	c.Synthesis.ShapeMin = 2
	c.Run.Steps, c.Run.Epochs, c.Run.ValidPatches = 3, 2, 5
	c.Sampler.Patch, c.Sampler.Jitter = [3]int{8, 8, 8}, 2
	return c
}

// pairs is a detector that trains in seconds, on real pairs.
func pairs() Config {
	c := tiny()
	c.Task, c.Data.Root = models.Detector, filepath.Join(data, "pairs")
	c.Encoder, c.FreezeEncoder = weightsFile(models.Segmenter), true
	return c
}

// madePairs is the same on synthetic ones.
func madePairs() Config {
	c := pairs()
	c.Data.Root = filepath.Join(data, "single")
	c.Synthesis.Inpainter, c.Synthesis.Generator = weightsFile(models.Inpainter), weightsFile(models.Generator)
	c.Synthesis.ShapeMin, c.Synthesis.GeneratedMin, c.Synthesis.ErodeMM = 2, 1, 1
	return c
}

// run trains in a folder and fails the test on an error.
func run(t *testing.T, ctx context.Context, c Config, folder string, resume bool, events func(Event)) *Summary {
	t.Helper()
	dev := cpu.New()
	defer func() { require.NoError(t, dev.Close()) }()
	s, err := Run(ctx, Job{Device: dev, Config: c, Folder: folder, Resume: resume, Events: events})
	require.NoError(t, err)
	now, _ := dev.Usage()
	require.Zero(t, now, "device memory was not given back")
	return s
}

// files are the ones that must not depend on how often a run was interrupted.
func files(t *testing.T, folder string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, f := range []string{LastFile, BestFile, FinalFile, "metrics.csv", "config.toml"} {
		b, err := os.ReadFile(filepath.Join(FoldFolder(folder, 0), f))
		require.NoError(t, err)
		out[f] = string(b)
	}
	return out
}

func requireSameFiles(t *testing.T, want, got map[string]string) {
	t.Helper()
	for name := range want {
		require.True(t, want[name] == got[name], "%s differs from the uninterrupted run's", name)
	}
}
