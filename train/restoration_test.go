package train

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
)

// opened is a trainer with data and network, and no folder.
func opened(t *testing.T, c Config) *trainer {
	t.Helper()
	dev := cpu.New()
	tr, err := newTrainer(c, dev, nil)
	require.NoError(t, err)
	require.NoError(t, tr.openData(context.Background(), nil))
	require.NoError(t, tr.openNet(false))
	require.NoError(t, tr.openTask())
	t.Cleanup(func() {
		require.NoError(t, tr.close())
		now, _ := dev.Usage()
		require.Zero(t, now, "device memory was not given back")
		require.NoError(t, dev.Close())
	})
	return tr
}

// moments are mean and standard deviation of the values where is holds.
func moments(x []float32, is func(v int) bool) (mean, sd float64, n int) {
	for v, f := range x {
		if is(v) {
			mean += float64(f)
			sd += float64(f) * float64(f)
			n++
		}
	}
	mean /= float64(n)
	return mean, math.Sqrt(sd/float64(n) - mean*mean), n
}

// What the networks that paint are shown: the untouched patch outside the filled
// voxels, and noise like the patch's brain inside.
func TestWhatPaintersAreShown(t *testing.T) {
	for _, task := range []string{models.Inpainter, models.Generator} {
		t.Run(task, func(t *testing.T) {
			c := restorer(task)
			c.Augment = "paper-baseline"
			tr := opened(t, c)
			var filled []float64
			for first := 0; first < 60; first += 2 {
				b, err := sample.DrawBatch(tr.train, first, 2)
				require.NoError(t, err)
				in := tr.task.upload(b)
				x, target := make([]float32, in.images[0].Len()), make([]float32, in.target.Len())
				tr.dev.Download(x, in.images[0])
				tr.dev.Download(target, in.target)
				in.free(tr.dev)
				voxels, channels := 512, in.images[0].C
				for n, p := range b.Samples {
					mean, sd, _ := moments(p.Images[0], func(v int) bool { return p.Labels[v] == dataset.Brain })
					fills, lesions := 0, 0
					for v := range voxels {
						require.Equal(t, p.Images[0][v], target[n*voxels+v], "the target is the untouched patch")
						given := x[(n*voxels+v)*channels]
						lesion := p.Labels[v]&dataset.Lesion != 0
						if lesion {
							lesions++
						}
						if !p.Fill[v] {
							require.Equal(t, p.Images[0][v], given)
							continue
						}
						fills++
						require.NotZero(t, p.Labels[v]&dataset.Brain, "only brain is filled")
						filled = append(filled, (float64(given)-mean)/sd)
						if task == models.Generator {
							require.True(t, lesion)
						}
					}
					if task == models.Generator {
						require.Positive(t, lesions)
						require.Equal(t, lesions, fills)
						for v := range voxels {
							require.Equal(t, p.Fill[v], x[(n*voxels+v)*2+1] == 1, "the second channel is the mask")
						}
					} else {
						require.Zero(t, lesions)
						require.GreaterOrEqual(t, fills, 2)
					}
				}
			}
			m, sd := 0.0, 0.0
			for _, z := range filled {
				m += z / float64(len(filled))
				sd += z * z / float64(len(filled))
			}
			k := math.Sqrt(float64(len(filled)))
			require.InDelta(t, 0, m, 4/k, "%d filled voxels", len(filled))
			require.InDelta(t, 1, math.Sqrt(sd), 4/k/math.Sqrt2)
		})
	}
}

// With filled_only the loss is the squared error inside the filled voxels, over the
// number of all voxels, and its gradient with respect to the output is zero elsewhere.
func TestFilledOnly(t *testing.T) {
	for _, task := range []string{models.Inpainter, models.Generator} {
		tr := opened(t, filledOnly(restorer(task)))
		b, err := sample.DrawBatch(tr.train, 0, 2)
		require.NoError(t, err)
		in := tr.task.upload(b)
		target := make([]float32, in.target.Len())
		tr.dev.Download(target, in.target)

		tape := autograd.NewInference(tr.dev)
		a := tr.task.forward(tape, in)
		out, want, outside := tape.Value(a.out), 0.0, 0.0
		for i, x := range out {
			d := float64(x) - float64(target[i])
			if b.Samples[i/512].Fill[i%512] {
				want += d * d / float64(len(out))
			} else {
				outside += d * d / float64(len(out))
			}
		}
		require.InEpsilon(t, want, tape.Value(a.loss)[0], 1e-5)
		require.Greater(t, outside, want/10, "the rest is not right by itself: the test would show nothing")

		dx := tr.dev.Alloc(in.target.Shape)
		one := tr.dev.Alloc(device.Scalar())
		tr.dev.Fill(one, 1)
		tr.dev.MSEGrad(device.Into{Tensor: dx, Mode: device.Set}, one, a.out.Tensor, in.target)
		grad := make([]float32, dx.Len())
		tr.dev.Download(grad, dx)
		for i, g := range grad {
			require.Equal(t, b.Samples[i/512].Fill[i%512], g != 0, "voxel %d", i)
		}
		tape.Close()
		tr.dev.Free(dx)
		tr.dev.Free(one)
		in.free(tr.dev)
	}
}

// The generator's first channel is augmented, its target is not; the inpainter
// restores what augmentation made of the patch.
func TestAugmentationOfPainters(t *testing.T) {
	for _, task := range []string{models.Inpainter, models.Generator} {
		c := restorer(task)
		c.Augment = "none"
		c = c.Resolved()
		c.Augmentation.Noise.P = 1
		tr := opened(t, c)
		b, err := sample.DrawBatch(tr.train, 0, 2)
		require.NoError(t, err)
		in := tr.task.upload(b)
		x, target := make([]float32, in.images[0].Len()), make([]float32, in.target.Len())
		tr.dev.Download(x, in.images[0])
		tr.dev.Download(target, in.target)
		in.free(tr.dev)
		for n, p := range b.Samples {
			require.Len(t, p.Recipes, 1)
			for v := range 512 {
				given, want := x[(n*512+v)*in.images[0].C], target[n*512+v]
				if p.Fill[v] {
					continue
				}
				if task == models.Generator {
					require.Equal(t, p.Images[0][v], want)
					require.NotEqual(t, want, given)
				} else {
					require.NotEqual(t, p.Images[0][v], want)
					require.Equal(t, want, given)
				}
			}
		}
		valid, err := tr.valid.Draw(0)
		require.NoError(t, err)
		require.Empty(t, valid.Recipes)
	}
}

// The sums against a direct count.
func TestErrorsOfARestoredPatch(t *testing.T) {
	var s sums
	s.addErrors([]float32{1, 2, 4, 8}, []float32{1, 1, 1, 10}, []bool{false, true, false, true})
	s.addErrors([]float32{1}, []float32{0.5}, []bool{false})
	require.Equal(t, sums{PatchVoxels: 5, PatchSquared: 14.25, PatchAbsolute: 6.5, FilledVoxels: 2, FilledSquared: 5, FilledAbsolute: 3}, s)
	require.InDelta(t, -10*math.Log10(2.5), float64(s.filledPSNR()), 1e-12)
	require.InDelta(t, 1.3, float64(s.patchMAE()), 1e-12)
	require.True(t, math.IsNaN(float64(s.dice())) && math.IsNaN(float64(s.lesion())))
	require.True(t, math.IsNaN(float64(sums{}.filledPSNR())))
}
