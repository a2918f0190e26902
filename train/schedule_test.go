package train

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/models/weights"
)

func TestRate(t *testing.T) {
	c := Defaults(models.Segmenter)
	c.Run.Steps, c.Run.Epochs = 10, 11
	c.Adam.LearningRate = 2
	for _, s := range []struct {
		schedule string
		warmup   int
		want     map[int]float64
	}{
		{Constant, 0, map[int]float64{0: 2, 109: 2}},
		{Constant, 10, map[int]float64{0: 0.2, 4: 1, 9: 2, 10: 2, 109: 2}},
		{Polynomial, 0, map[int]float64{0: 2, 55: 2 * math.Pow(0.5, 0.9), 109: 2 * math.Pow(1./110, 0.9), 110: 0, 500: 0}},
		{Polynomial, 10, map[int]float64{0: 0.2, 9: 2, 10: 2, 60: 2 * math.Pow(0.5, 0.9)}},
		{Cosine, 10, map[int]float64{9: 2, 10: 2, 35: 1 + math.Sqrt2/2, 60: 1, 110: 0}},
		{Cosine, 1000, map[int]float64{0: 0.002, 109: 0.22}},
	} {
		c.Adam.Schedule, c.Adam.Warmup = s.schedule, s.warmup
		for step, want := range s.want {
			require.InDelta(t, want, c.rate(step), 1e-12, "%s, warm-up %d, step %d", s.schedule, s.warmup, step)
		}
	}
}

// options is tiny with everything that the paper has not.
func options() Config {
	c := tiny()
	c.Adam.Schedule, c.Adam.Warmup, c.Adam.WeightDecay, c.Adam.ClipNorm, c.Adam.Average = Cosine, 3, 0.1, 0.05, 0.8
	c.Augmentation.Space.P, c.Augmentation.Gamma.P = 0.5, 0.5
	return c
}

func TestResumeWithOptionsGivesTheSameBits(t *testing.T) {
	final := map[string][]float64{}
	for _, norm := range []string{layers.Batch, layers.Instance} {
		c := options()
		c.Network.Norm = norm
		whole := t.TempDir()
		run(t, context.Background(), c, whole, false, nil)
		folder := t.TempDir()
		for i, k := range []int{1, 4, 9} {
			ctx, watch := stopAt(k)
			run(t, ctx, c, folder, i > 0, watch)
		}
		run(t, context.Background(), c, folder, true, nil)
		requireSameFiles(t, files(t, whole), files(t, folder))
		final[norm] = tensorOf(t, whole, FinalFile, "conv3.weight")
	}
	require.NotEqual(t, final[layers.Batch], final[layers.Instance])
}

// Gradients longer than clip_norm train less far from the start than they are, shorter ones to the same bits as without.
func TestClipNorm(t *testing.T) {
	after := func(clip float64) []float64 {
		c := tiny()
		c.Adam.ClipNorm = clip
		folder := t.TempDir()
		ctx, watch := stopAt(2) // Adam's first step has one length whatever the gradients' is
		run(t, ctx, c, folder, false, watch)
		return tensorOf(t, folder, LastFile, "conv3.weight")
	}
	whole := after(0)
	require.Equal(t, whole, after(1e6))
	require.NotEqual(t, whole, after(1e-6))
}

// tensorOf is a tensor of a file of the first fold.
func tensorOf(t *testing.T, folder, file, name string) []float64 {
	f, err := weights.Read(filepath.Join(FoldFolder(folder, 0), file))
	require.NoError(t, err)
	x, ok := f.Get(name)
	require.True(t, ok)
	v, err := x.Float32s()
	require.NoError(t, err)
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}

// A schedule ends with the last epoch: another number of them is another run.
func TestScheduleKeepsItsLength(t *testing.T) {
	c := options()
	folder := t.TempDir()
	ctx, watch := stopAt(1)
	run(t, ctx, c, folder, false, watch)
	c.Run.Epochs++
	dev := cpu.New()
	defer dev.Close()
	_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: folder, Resume: true})
	require.ErrorContains(t, err, "run.epochs was 3, is 4")
}

// The final weights are the mean of those after each step, the checkpoint's are the last.
func TestAveragedWeights(t *testing.T) {
	c := options()
	const name = "conv3.weight"
	var after [][]float64
	folder := t.TempDir()
	read := func(file string) []float64 { return tensorOf(t, folder, file, name) }
	const steps = 12
	for k := 1; k <= steps; k++ {
		ctx, watch := stopAt(k)
		run(t, ctx, c, folder, k > 1, watch)
		after = append(after, read(LastFile))
	}
	run(t, context.Background(), c, folder, true, nil)
	got := read(FinalFile)
	for i := range got {
		sum, all := 0.0, 0.0
		for k, w := range after {
			f := math.Pow(c.Adam.Average, float64(steps-1-k))
			sum, all = sum+f*w[i], all+f
		}
		require.InDelta(t, sum/all, got[i], 1e-6)
	}
	require.NotEqual(t, got, read(LastFile))
}

// forgetful has lost its running statistics whenever it is evaluated.
type forgetful struct{ *models.Net }

func (n forgetful) SetMode(m layers.Mode) {
	for _, b := range n.Buffers() {
		if m == layers.Eval && strings.HasSuffix(b.Name, "running_mean") {
			n.Device().Fill(b.Tensor, 1e4)
		}
	}
	n.Net.SetMode(m)
}

func TestWarnsWhenModesPart(t *testing.T) {
	c := longer()
	c.Run.Epochs, c.Run.Patience = 3, 100
	for _, lost := range []bool{false, true} {
		var warned []string
		dev := cpu.New()
		_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: t.TempDir(),
			Network: func(dev device.Backend, c Config) (models.Network, error) {
				n := models.Default(c.Task)
				n.Width, n.Dropout = c.Network.Width, c.Network.Dropout
				net, err := models.New(dev, n, c.Seed)
				if lost {
					return forgetful{net}, err
				}
				return net, err
			},
			Events: func(e Event) {
				if w, ok := e.(Warning); ok && strings.Contains(w.Text, "running ones") {
					warned = append(warned, w.Text)
				}
			}})
		require.NoError(t, err)
		require.NoError(t, dev.Close())
		if lost {
			require.Len(t, warned, 1, "once, until it is over")
		} else {
			require.Empty(t, warned)
		}
	}
}
