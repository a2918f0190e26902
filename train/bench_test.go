package train

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
	"voxgrad/train/sample"
)

// benched is a trainer without data on patches of 64³.
func benched(b *testing.B, preset string) (*trainer, *sample.Sample) {
	c := Defaults("segmenter")
	c.Augment = preset
	dev := cpu.New()
	t, err := newTrainer(c, dev, nil)
	require.NoError(b, err)
	_, p, err := t.blank()
	require.NoError(b, err)
	s := rng.New(1, "bench")
	for v := range p.Images[0] {
		p.Images[0][v] = float32(s.Float64())
	}
	b.Cleanup(func() { require.NoError(b, dev.Close()) })
	return t, p
}

// Augmentation of one sample, drawing the recipe included, over the first 40 samples.
func BenchmarkAugmentation(b *testing.B) {
	for _, preset := range []string{"default", "torchio"} {
		b.Run("patch=64/preset="+preset, func(b *testing.B) {
			t, p := benched(b, preset)
			x := uploadImage(t.dev, p, 0)
			defer t.dev.Free(x)
			for i := range b.N {
				p.Recipes = nil
				p.Recipes = append(p.Recipes, t.cfg.Augmentation.Draw(rng.New(1, "sample", i%40), p.Size))
				degrade(t.dev, x, p, 0)
				t.dev.Upload(x, p.Images[0])
			}
			require.NoError(b, t.dev.Sync())
		})
	}
}

// A training step of the segmenter, of one patch, without augmentation.
func BenchmarkStep(b *testing.B) {
	b.Run("patch=64/width=24/batch=1", func(b *testing.B) {
		t, p := benched(b, "none")
		require.NoError(b, t.openNet(false))
		require.NoError(b, t.openTask())
		batch := blankBatch(p, p, 1)
		for range b.N {
			_, err := t.step(batch)
			require.NoError(b, err)
		}
		b.StopTimer()
		require.NoError(b, t.close())
	})
}
