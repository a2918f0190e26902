package train

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/train/dataset"
)

func TestRestoringNetworksLearn(t *testing.T) {
	for _, task := range []string{models.Inpainter, models.Generator} {
		t.Run(task, func(t *testing.T) {
			c := restorer(task)
			c.Network.Width, c.Network.Dropout = 4, 0
			c.Adam.LearningRate = 1e-2
			c.Run.Steps, c.Run.Epochs, c.Run.ValidPatches = 40, 3, 8
			c.Run.Batch = 4
			folder := t.TempDir()
			var shown []Restored
			s := run(t, context.Background(), c, folder, false, func(e Event) {
				switch e := e.(type) {
				case EpochDone:
					t.Logf("epoch %d: loss %.4f, validation %.4f, filled %.1f dB, %.3f; patch %.1f dB, %.3f", e.Epoch, e.TrainLoss, e.ValidLoss,
						e.FilledPSNR, e.FilledMAE, e.PatchPSNR, e.PatchMAE)
				case Restored:
					shown = append(shown, e)
				case StepDone:
					require.True(t, math.IsNaN(e.Lesion))
				}
			})
			first, last := s.Best, s.Last
			require.NotNil(t, first)
			require.Less(t, float64(last.ValidLoss), 0.05, "predicting 0 gives more")
			require.True(t, math.IsNaN(float64(last.ValidDice)))
			require.InDelta(t, -10*math.Log10(float64(last.ValidLoss)), float64(last.PatchPSNR), 0.01, "both batches have four patches")

			// The pictures: the first four validation patches of each epoch.
			require.Len(t, shown, 3*4)
			squared, n := 0.0, 0.0
			for _, r := range shown[8:] {
				require.Equal(t, 3, r.Epoch)
				for v, in := range r.Filled {
					if !in {
						require.Equal(t, r.Before[v], r.Corrupted[v])
					}
					squared += math.Pow(float64(r.After[v]-r.Before[v]), 2)
					n++
				}
			}
			require.InDelta(t, float64(last.ValidLoss), squared/n, 0.5*float64(last.ValidLoss), "of the same network, half of the patches")

			dir := FoldFolder(folder, 0)
			f, err := os.Open(filepath.Join(dir, "metrics.csv"))
			require.NoError(t, err)
			defer f.Close()
			rows, err := csv.NewReader(f).ReadAll()
			require.NoError(t, err)
			require.Equal(t, []string{"epoch", "step", "best", "train_loss", "valid_loss", "valid_filled_psnr", "valid_filled_mae", "valid_patch_psnr", "valid_patch_mae"}, rows[0])
			require.NotContains(t, rows[3], "")
			var summary struct{ Last map[string]any }
			text, err := os.ReadFile(filepath.Join(dir, "summary.json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &summary))
			require.Nil(t, summary.Last["valid_dice"])
			require.InDelta(t, float64(last.FilledMAE), summary.Last["valid_filled_mae"], 1e-12)
		})
	}
}

// Where every patch has lesions, the noise can be kept away from them.
func TestInpainterAmongLesions(t *testing.T) {
	c := restorer(models.Inpainter)
	c.Sampler.Patch, c.Sampler.LesionFree = [3]int{24, 24, 24}, false
	tr := opened(t, c)
	lesions := 0
	for i := range 12 {
		p, err := tr.train.Draw(i)
		require.NoError(t, err)
		at := func(v int) [3]int { return [3]int{v / 576, v / 24 % 24, v % 24} }
		for v, l := range p.Labels {
			if l&dataset.Lesion == 0 {
				continue
			}
			lesions++
			for u, fill := range p.Fill {
				if a, b := at(v), at(u); fill {
					far := max(max(a[0]-b[0], b[0]-a[0]), max(a[1]-b[1], b[1]-a[1]), max(a[2]-b[2], b[2]-a[2]))
					require.Greater(t, far, 1)
				}
			}
		}
		require.Contains(t, p.Fill, true)
	}
	require.Positive(t, lesions)
}

func TestRestoringNetworksRefuse(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	try := func(task string, change func(*Config)) error {
		c := restorer(task)
		change(&c)
		_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: t.TempDir()})
		return err
	}
	require.ErrorContains(t, try(models.Inpainter, func(c *Config) { c.Data.Root = filepath.Join(data, "pairs") }), "2 images per case; task inpainter takes 1")
	require.ErrorContains(t, try(models.Inpainter, func(c *Config) { c.Synthesis.ShapeMin = 3000 }), "shape_min_voxels")
	require.ErrorContains(t, try(models.Generator, func(c *Config) { c.Run.FullEvery = 1 }), "full_every")
	require.ErrorContains(t, try(models.Generator, func(c *Config) { c.Synthesis.Generator = "x" }), "synthesis is for a detector")
	require.ErrorContains(t, try(models.Inpainter, func(c *Config) { c.Sampler.Patch = [3]int{24, 24, 24} }), "lesion_free")
}
