package pipeline

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/train"
	"voxgrad/train/dataset"
	"voxgrad/train/infer"
	"voxgrad/volume"
)

// Each training pair is mapped by the member that validated on it, and by no other; its truth is beside.
func TestEveryPairIsMappedByTheMemberThatLeftItOut(t *testing.T) {
	c := short()
	c.Members = 2
	out := t.TempDir()
	ran(t, c, out)
	p := folder(t, c, out, nil)
	dev := cpu.New()
	defer func() { require.NoError(t, dev.Close()) }()
	d, err := p.pairs()
	require.NoError(t, err)
	opt := c.predictOptions()
	left := 0
	for k := range 2 {
		split, err := d.KFold(c.Seed, 2, k)
		require.NoError(t, err)
		var nets [2]*models.Net
		for m := range nets {
			nets[m], err = models.Load(dev, filepath.Join(out, "finetune", foldName(m), train.BestFile), models.Detector)
			require.NoError(t, err)
		}
		for _, i := range split.Valid {
			left++
			pair := d.Cases[i]
			images, err := dataset.ReadImages(pair)
			require.NoError(t, err)
			got, err := volume.Read(filepath.Join(out, "out_of_fold/probability", pair.ID+".nii.gz"))
			require.NoError(t, err)
			for m, net := range nets {
				r, err := infer.Predict(context.Background(), []infer.Member{infer.Keep(net)}, images, opt)
				require.NoError(t, err)
				require.Equal(t, m == k, equal(r.Prob.Data, got.Data), "case %s by member %d", pair.ID, m)
			}
			truth, err := volume.ReadMask(filepath.Join(out, "out_of_fold/truth", pair.ID+".nii.gz"))
			require.NoError(t, err)
			want, err := dataset.ReadMask(pair)
			require.NoError(t, err)
			require.Equal(t, want.Data, truth.Data)
		}
		for _, n := range nets {
			n.Free()
		}
	}
	require.Len(t, d.Cases, left, "all of them")

	// Without a split nothing is left out, and the step may be switched off.
	for _, change := range []func(*Config){func(c *Config) { c.Data.Pairs.Folds = 1 }, func(c *Config) { c.Predict.OutOfFold = false }} {
		c := short()
		change(&c)
		require.NotContains(t, stepNames(folder(t, c, out, nil)), outOfFold)
	}
}

func equal(a, b []float32) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}
