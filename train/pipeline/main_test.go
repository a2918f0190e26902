package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/train"
	"voxgrad/train/internal/phantomset"
)

// data is the phantoms of all tests of the package.
var data string

// TestMain also is the child of the kill test: with VOXGRAD_PIPELINE_CHILD set to
// a folder it runs the pipeline there and does nothing else.
func TestMain(m *testing.M) {
	if folder := os.Getenv("VOXGRAD_PIPELINE_CHILD"); folder != "" {
		data = os.Getenv("VOXGRAD_PIPELINE_DATA")
		if err := child(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "voxgrad-pipeline")
	if err == nil {
		err = phantomset.Write(dir, 3)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	data = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// tiny is a pipeline that runs in seconds. The pairs it is scored on are those it
// trains on: nothing here is about scores.
func tiny() Config {
	c := Defaults()
	c.Folds, c.Members = 2, 2
	c.Data.Single.Root, c.Data.Pairs.Root, c.Data.Test.Root = filepath.Join(data, "single"), filepath.Join(data, "pairs"), filepath.Join(data, "pairs")
	c.Predict.Patch, c.Predict.Stride = [3]int{16, 16, 16}, [3]int{16, 16, 16}
	c.Predict.Pictures = 0
	for _, s := range c.stages() {
		s.Network.Width = 2
		s.Sampler.Patch, s.Sampler.Jitter = [3]int{16, 16, 16}, 4
		if s.Name == inpainter { // it needs patches without a lesion
			s.Sampler.Patch, s.Sampler.Jitter = [3]int{8, 8, 8}, 3
		}
		s.Run.Batch, s.Run.Steps, s.Run.Epochs, s.Run.ValidPatches, s.Run.SaveEvery = 1, 3, 2, 1, 1
	}
	return c
}

// folder is an opened pipeline on its own device.
func folder(t *testing.T, c Config, out string, events func(Event)) *Pipeline {
	t.Helper()
	dev := cpu.New()
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	p, err := Open(Job{Config: c, Out: out, Device: dev, OpenDry: train.DryTensors, Version: "test", Overwrite: true, Events: events})
	require.NoError(t, err)
	return p
}

// ran runs the pipeline in a folder and lists the steps that were not skipped.
func ran(t *testing.T, c Config, out string) (names []string, why map[string]string) {
	t.Helper()
	why = map[string]string{}
	p := folder(t, c, out, func(e Event) {
		if e, ok := e.(Started); ok {
			names = append(names, e.Step.Name)
			why[e.Step.Name] = e.Why
		}
	})
	require.NoError(t, p.Run(context.Background()))
	return names, why
}
