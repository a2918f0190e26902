package train

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
)

// equalWeights lists the parameters and buffers that two files share bit for bit.
func equalWeights(t *testing.T, a, b string) map[string]bool {
	t.Helper()
	f, err := weights.Read(a)
	require.NoError(t, err)
	g, err := weights.Read(b)
	require.NoError(t, err)
	out := map[string]bool{}
	for _, x := range f.Tensors {
		y, ok := g.Get(x.Name)
		require.True(t, ok, x.Name)
		out[x.Name] = string(x.Data) == string(y.Data)
	}
	return out
}

// Fine-tuning starts from all weights of a detector, encoder included, keeps the
// encoder, and has a learning rate of its own.
func TestFineTuning(t *testing.T) {
	c := pairs()
	c.Encoder, c.Start, c.Network.Width = "", weightsFile(models.Detector), 0
	c.Adam.LearningRate = 0
	c.Run.Epochs, c.Run.Steps = 1, 2
	still := t.TempDir()
	run(t, context.Background(), c, still, false, nil)
	same := equalWeights(t, c.Start, filepath.Join(FoldFolder(still, 0), FinalFile))
	for name, equal := range same {
		if ext := filepath.Ext(name); ext != ".running_mean" && ext != ".running_var" {
			require.True(t, equal, "%s: nothing is learnt at a learning rate of 0", name)
		}
	}
	require.True(t, same["bn6.running_var"], "the encoder is frozen")
	require.False(t, same["bn8.running_var"], "the decoder is not")

	c.Adam.LearningRate = 1e-3
	tuned := t.TempDir()
	run(t, context.Background(), c, tuned, false, nil)
	same = equalWeights(t, c.Start, filepath.Join(FoldFolder(tuned, 0), FinalFile))
	for _, name := range []string{"conv1.weight", "conv7.bias", "bn1.weight"} {
		require.True(t, same[name], name)
	}
	for _, name := range []string{"conv8.weight", "fuse1.weight", "conv_out.bias"} {
		require.False(t, same[name], name)
	}

	// Resumed without its start file.
	again := t.TempDir()
	ctx, watch := stopAt(1)
	d := c
	d.Start = filepath.Join(t.TempDir(), "start.safetensors")
	text, err := os.ReadFile(c.Start)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(d.Start, text, 0o666))
	run(t, ctx, d, again, false, watch)
	require.NoError(t, os.Remove(d.Start))
	run(t, context.Background(), c, again, true, nil)
	requireSameFiles(t, files(t, tuned), files(t, again))
}

// Instance norm goes on from batch norm's weights, scale and shift included; the other way there are no running statistics.
func TestInstanceNormStartsFromBatchNorm(t *testing.T) {
	c := tiny()
	c.Start, c.Network.Norm = weightsFile(models.Segmenter), layers.Instance
	c.Adam.LearningRate = 0
	c.Run.Epochs, c.Run.Steps = 1, 1
	folder := t.TempDir()
	run(t, context.Background(), c, folder, false, nil)
	made := filepath.Join(FoldFolder(folder, 0), FinalFile)
	for name, equal := range equalWeights(t, made, c.Start) {
		require.True(t, equal, name)
	}
	f, err := weights.Read(made)
	require.NoError(t, err)
	of, err := models.ConfigOf(f)
	require.NoError(t, err)
	require.Equal(t, layers.Instance, of.Norm)

	c.Start, c.Network.Norm = made, layers.Batch
	dev := cpu.New()
	defer dev.Close()
	_, err = Run(context.Background(), Job{Device: dev, Config: c, Folder: t.TempDir()})
	require.ErrorContains(t, err, "no running statistics")
}

// Without transfer: the encoder is trained too, from scratch or from a file.
func TestDetectorTrainsItsEncoder(t *testing.T) {
	for _, encoder := range []string{"", weightsFile(models.Segmenter)} {
		c := pairs()
		c.Encoder, c.FreezeEncoder = encoder, false
		c.Run.Epochs, c.Run.Steps = 1, 2
		folder := t.TempDir()
		run(t, context.Background(), c, folder, false, nil)
		tr := opened(t, c)
		before := filepath.Join(t.TempDir(), "before.safetensors")
		require.NoError(t, models.Save(tr.net, before, nil))
		same := equalWeights(t, before, filepath.Join(FoldFolder(folder, 0), FinalFile))
		for _, name := range []string{"conv1.weight", "conv7.weight", "bn3.running_mean", "conv8.weight"} {
			require.False(t, same[name], name)
		}
		if encoder != "" {
			f, err := weights.Read(encoder)
			require.NoError(t, err)
			g, err := weights.Read(before)
			require.NoError(t, err)
			a, _ := f.Get("conv1.weight")
			b, _ := g.Get("conv1.weight")
			require.Equal(t, a.Data, b.Data)
		}
	}
}

func TestStartRefuses(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	try := func(change func(*Config)) error {
		c := pairs()
		c.Encoder, c.Start = "", weightsFile(models.Detector)
		change(&c)
		_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: t.TempDir()})
		return err
	}
	require.ErrorContains(t, try(func(c *Config) { c.Start = weightsFile(models.Segmenter) }), "segmenter")
	require.ErrorContains(t, try(func(c *Config) { c.Start = filepath.Join(data, "none") }), "none")
	require.ErrorContains(t, try(func(c *Config) { c.Network.Width = 3 }), "detector.safetensors")
	require.ErrorContains(t, try(func(c *Config) { c.Network.Norm = layers.Instance }), "detector.safetensors has batch norm, and network.norm is instance: a frozen encoder")
	require.ErrorContains(t, try(func(c *Config) { c.Network.Norm, c.Network.FreezeNorm = layers.Instance, true }), "network.freeze_norm keeps running statistics")
	require.ErrorContains(t, try(func(c *Config) {
		c.Network.Norm, c.Sampler.Patch, c.Sampler.Jitter = layers.Instance, [3]int{8, 8, 8}, 2
	}), "one voxel is left")
	require.ErrorContains(t, try(func(c *Config) { c.Network.Norm = "group" }), "network.norm")
	require.ErrorContains(t, try(func(c *Config) { c.Encoder = weightsFile(models.Segmenter) }), "not both")
	require.ErrorContains(t, try(func(c *Config) { c.Start = "" }), "a detector needs encoder")
	require.ErrorContains(t, try(func(c *Config) { c.Start, c.FreezeEncoder, c.Network.Width = "", false, 0 }), "give a width")
	now, _ := dev.Usage()
	require.Zero(t, now)
}
