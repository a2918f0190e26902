package train_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
	"voxgrad/train"
	"voxgrad/train/infer"
	"voxgrad/train/internal/phantomset"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// ownNet is a network of one's own: two convolutions.
type ownNet struct {
	*layers.Net
	first, last *layers.Conv
}

func newOwn(dev device.Backend, c train.Config) (models.Network, error) {
	n := &ownNet{Net: layers.NewNet(dev)}
	s := n.Scope()
	n.first, n.last = layers.NewConv(s.In("first"), 1, 4, layers.ConvOptions{ConvParams: device.Conv3x3x3, Act: device.ReLU}), layers.NewConv(s.In("last"), 4, 2, layers.ConvOptions{ConvParams: device.Conv3x3x3})
	n.Init(c.Seed)
	return n, nil
}

func (n *ownNet) Forward(t *autograd.Tape, x ...*autograd.Var) *autograd.Var {
	return n.last.Forward(t, n.first.Forward(t, x[0]))
}

func (n *ownNet) Spec() models.Spec {
	return models.Spec{Name: "two convolutions", Images: 1, Cin: 1, Cout: 2, Head: models.Softmax, Multiple: 1}
}

// A network that no package of this module knows is trained, stopped, resumed to the same
// bits, kept with its weights and applied to an image.
func TestNetworkOfOnesOwn(t *testing.T) {
	data := t.TempDir()
	require.NoError(t, phantomset.Write(data, 3))
	c := train.Defaults(models.Segmenter)
	c.Data.Root, c.Data.Folds = filepath.Join(data, "single"), 3
	c.Sampler.Patch, c.Sampler.Jitter = [3]int{16, 16, 16}, 4
	c.Adam.LearningRate = 1e-2
	c.Run.Batch, c.Run.Steps, c.Run.Epochs, c.Run.ValidPatches, c.Run.FullEvery = 2, 6, 2, 2, 2
	dev := cpu.New()
	defer dev.Close()
	run := func(ctx context.Context, folder string, events func(train.Event)) *train.Summary {
		s, err := train.Run(ctx, train.Job{Device: dev, Config: c, Folder: folder, Resume: true, Network: newOwn, Events: events,
			Limit: 1 << 30, OpenDry: train.DryTensors})
		require.NoError(t, err)
		return s
	}
	whole := t.TempDir()
	s := run(context.Background(), whole, nil)
	require.Equal(t, train.AllEpochs, s.Reason)
	require.Less(t, float64(s.Last.TrainLoss), float64(s.Best.TrainLoss)+1e-9)
	require.False(t, math.IsNaN(float64(s.Last.FullDice)), "whole images were predicted")

	stopped := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	s = run(ctx, stopped, func(e train.Event) {
		if d, ok := e.(train.StepDone); ok && d.Step == 4 {
			cancel()
		}
	})
	require.Equal(t, train.Interrupted, s.Reason)
	run(context.Background(), stopped, nil)
	final := filepath.Join(train.FoldFolder(whole, 0), train.FinalFile)
	a, err := os.ReadFile(final)
	require.NoError(t, err)
	b, err := os.ReadFile(filepath.Join(train.FoldFolder(stopped, 0), train.FinalFile))
	require.NoError(t, err)
	require.True(t, string(a) == string(b), "the resumed run's weights")

	f, err := weights.Read(final)
	require.NoError(t, err)
	require.Equal(t, "two convolutions", f.Meta["model"])
	require.Equal(t, "kde", f.Meta["normalize"])
	net, err := newOwn(dev, c)
	require.NoError(t, err)
	defer net.Free()
	require.NoError(t, models.Restore(net, f))
	scan, err := volume.Read(filepath.Join(data, "single", "case0", "flair.nii.gz"))
	require.NoError(t, err)
	opt := infer.Defaults()
	opt.Patch, opt.Stride = [3]int{16, 16, 16}, [3]int{16, 16, 16}
	r, err := infer.Predict(context.Background(), []infer.Member{infer.Keep(net)}, prep.Case{Times: []*volume.Volume{scan}}, opt)
	require.NoError(t, err)
	require.Equal(t, scan.Grid.Size, r.Prob.Grid.Size)

	// What does not fit its task is refused.
	c.Task, c.Run.FullEvery = models.Generator, 0
	_, err = train.Run(context.Background(), train.Job{Device: dev, Config: c, Folder: t.TempDir(), Network: newOwn})
	require.ErrorContains(t, err, "task generator needs a network of 1 images with 2 channels")
}
