package train

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/models/weights"
	"voxgrad/train/sample"
)

// uploaded is what the network is shown of a batch, on the host.
func uploaded(t *testing.T, tr *trainer, b *sample.Batch) (images [][]float32, target []float32) {
	t.Helper()
	in := tr.task.upload(b)
	defer in.free(tr.dev)
	get := func(x device.Tensor) []float32 {
		host := make([]float32, x.Len())
		tr.dev.Download(host, x)
		return host
	}
	for _, x := range in.images {
		images = append(images, get(x))
	}
	return images, get(in.target)
}

// The pairs that a detector is shown are those of the plans: the patch itself but
// where a network filled, the new lesions as the target; and the same ones again.
func TestSyntheticPairs(t *testing.T) {
	c := madePairs()
	c.Augment = "paper-baseline"
	tr, again := opened(t, c), opened(t, c)
	fresh, filled, vanished := 0, 0, 0
	for first := 0; first < 20; first += 2 {
		b, err := sample.DrawBatch(tr.train, first, 2)
		require.NoError(t, err)
		images, target := uploaded(t, tr, b)
		b2, err := sample.DrawBatch(again.train, first, 2)
		require.NoError(t, err)
		images2, target2 := uploaded(t, again, b2)
		require.Equal(t, images, images2)
		require.Equal(t, target, target2)

		for n, p := range b.Samples {
			isNew := p.Plan.NewLesions()
			at1, at2 := p.Plan.Lesions(0), p.Plan.Lesions(1)
			for v := range isNew {
				at := n*len(isNew) + v
				require.Equal(t, isNew[v], at2[v] && !at1[v])
				require.Equal(t, isNew[v], target[2*at+1] == 1)
				require.Equal(t, !isNew[v], target[2*at] == 1)
				if isNew[v] {
					fresh++
				}
				if at1[v] && !at2[v] {
					vanished++
				}
			}
			for time := range 2 {
				mask := p.Plan.Filled(time)
				for v, m := range mask {
					if m {
						filled++
					} else {
						require.Equal(t, p.Images[0][v], images[time][n*len(mask)+v])
					}
				}
			}
		}
	}
	require.Positive(t, fresh)
	require.Positive(t, vanished)
	require.Positive(t, filled)
}

// Each copy is augmented by itself; the fixed validation pairs are not.
func TestSyntheticPairsAreAugmentedApart(t *testing.T) {
	c := madePairs()
	c.Augment = "none"
	c = c.Resolved()
	c.Augmentation.Noise.P = 1
	tr := opened(t, c)
	b, err := sample.DrawBatch(tr.train, 0, 2)
	require.NoError(t, err)
	images, _ := uploaded(t, tr, b)
	for n, p := range b.Samples {
		require.Len(t, p.Recipes, 2)
		require.NotEqual(t, p.Recipes[0], p.Recipes[1])
		filled := [2][]bool{p.Plan.Filled(0), p.Plan.Filled(1)}
		for v, x := range p.Images[0] {
			if !filled[0][v] && !filled[1][v] {
				a, b := images[0][n*len(p.Labels)+v], images[1][n*len(p.Labels)+v]
				require.True(t, a != b && a != x && b != x)
			}
		}
	}
	valid, err := tr.valid.Draw(3)
	require.NoError(t, err)
	require.Empty(t, valid.Recipes)
	require.NotNil(t, valid.Plan)
}

// Shapes are borrowed from training cases alone.
func TestShapesAreOfTrainingCases(t *testing.T) {
	for fold := range 3 {
		c := madePairs()
		c.Data.Fold = fold
		tr := opened(t, c)
		require.Equal(t, 2, tr.shapes.Cases())
		var training []string
		for _, i := range tr.split.Train {
			training = append(training, tr.set.Cases[i].ID)
		}
		s := rng.New(1)
		for range 100 {
			shape, ok := tr.shapes.Draw(s, "", true)
			require.True(t, ok)
			require.True(t, slices.Contains(training, shape.Case))
		}
	}
}

func TestDetectorTrainsOnSyntheticPairs(t *testing.T) {
	c := madePairs()
	whole := t.TempDir()
	s := run(t, context.Background(), c, whole, false, nil)
	require.Equal(t, AllEpochs, s.Reason)

	// Interrupted and resumed: the same bits. With another inpainter: refused.
	folder := t.TempDir()
	ctx, watch := stopAt(6)
	run(t, ctx, c, folder, false, watch)
	other := c
	other.Synthesis.Inpainter = filepath.Join(t.TempDir(), "other.safetensors")
	f, err := weights.Read(c.Synthesis.Inpainter)
	require.NoError(t, err)
	for i, x := range f.Tensors {
		if x.Name == "conv_out.bias" {
			f.Tensors[i] = weights.Float32(x.Name, x.Shape, []float32{0.25})
		}
	}
	require.NoError(t, weights.Write(other.Synthesis.Inpainter, f.Tensors, f.Meta))
	dev := cpu.New()
	defer dev.Close()
	_, err = Run(context.Background(), Job{Device: dev, Config: other, Folder: folder, Resume: true})
	require.ErrorContains(t, err, "other.safetensors holds something else")
	now, _ := dev.Usage()
	require.Zero(t, now)

	moved := c // the same file elsewhere will do
	moved.Synthesis.Inpainter = filepath.Join(t.TempDir(), "moved.safetensors")
	text, err := os.ReadFile(c.Synthesis.Inpainter)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(moved.Synthesis.Inpainter, text, 0o666))
	run(t, context.Background(), moved, folder, true, nil)
	want, got := files(t, whole), files(t, folder)
	delete(want, "config.toml") // names the other path
	delete(want, LastFile)      // holds the configuration
	requireSameFiles(t, want, got)
}

func TestSyntheticPairsRefuse(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	try := func(change func(*Config)) error {
		c := madePairs()
		change(&c)
		_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: t.TempDir()})
		now, _ := dev.Usage()
		require.Zero(t, now)
		return err
	}
	require.ErrorContains(t, try(func(c *Config) { c.Synthesis.Generator = "" }), "needs both")
	require.ErrorContains(t, try(func(c *Config) { c.Data.Root = filepath.Join(data, "pairs") }), "task detector on synthetic pairs takes 1")
	require.ErrorContains(t, try(func(c *Config) { c.Synthesis.Generator = filepath.Join(data, "none.safetensors") }), "none.safetensors")
	require.ErrorContains(t, try(func(c *Config) { c.Synthesis.Generator = weightsFile(models.Inpainter) }), "inpainter")
	require.ErrorContains(t, try(func(c *Config) { c.Synthesis.Kept = 0.9 }), "must add up to 1")
	require.ErrorContains(t, try(func(c *Config) { c.Run.FullEvery = 1 }), "full_every")
}
