package train

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/models"
	"voxgrad/models/weights"
	"voxgrad/prepare/atlas"
	"voxgrad/synth"
	"voxgrad/train/sample"
	"voxgrad/volume"
)

// headMaps is a folder with three label maps of heads made of balls, and one with a mask of lesions.
func headMaps(t *testing.T) (maps, shapes string) {
	t.Helper()
	root := t.TempDir()
	maps, shapes = filepath.Join(root, "maps"), filepath.Join(root, "shapes")
	require.NoError(t, os.MkdirAll(maps, 0o777))
	require.NoError(t, os.MkdirAll(shapes, 0o777))
	for n, name := range []string{"a", "b", "c"} {
		v := volume.New(volume.Grid{Size: [3]int{48, 48, 48}, Affine: volume.Identity})
		for i := range v.Data {
			r := math.Hypot(math.Hypot(float64(i%48)-24, float64(i/48%48)-24), float64(i/2304)-24)
			switch {
			case r < 5:
				v.Data[i] = 4
			case r < float64(14+n):
				v.Data[i] = 2
			case r < 18:
				v.Data[i] = 3
			case r < 20:
				v.Data[i] = 24
			case r < 22:
				v.Data[i] = 515
			}
		}
		require.NoError(t, volume.Write(filepath.Join(maps, name+".nii.gz"), v, volume.Int16))
	}
	m := volume.NewMask(volume.Grid{Size: [3]int{12, 12, 12}, Affine: volume.Identity})
	for i := range m.Data {
		m.Data[i] = i%12 > 3 && i%12 < 8 && i/12%12 > 3 && i/12%12 < 7 && i/144 > 3 && i/144 < 7
	}
	require.NoError(t, volume.WriteMask(filepath.Join(shapes, "m.nii.gz"), m))
	return maps, shapes
}

// onLabels is a small configuration that finds something in scans from label maps.
func onLabels(t *testing.T, task, find string) Config {
	c := Defaults(task)
	c.Labels.Root, c.Labels.Shapes = headMaps(t)
	c.Labels.Find = find
	if find == FindBrain {
		c.Labels.SpacingMM, c.Labels.ShiftMM = 3, 2
	}
	c.Labels.CountMean = 2000
	c.FreezeEncoder = false
	c.Data.Folds = 3
	c.Network.Width, c.Network.Dropout = 2, 0
	c.Sampler.Patch, c.Sampler.Jitter = [3]int{16, 16, 16}, 0
	c.Augmentation.Orientation = "none"
	c.Run.Batch, c.Run.Steps, c.Run.Epochs, c.Run.ValidPatches = 2, 3, 2, 3
	return c
}

func TestTrainingOnLabelMaps(t *testing.T) {
	for find, task := range map[string]string{FindBrain: models.Segmenter, FindLesions: models.Segmenter, FindNew: models.Detector} {
		t.Run(find, func(t *testing.T) {
			c := onLabels(t, task, find)
			whole := t.TempDir()
			s := run(t, context.Background(), c, whole, false, nil)
			require.Equal(t, AllEpochs, s.Reason)
			require.Len(t, s.Train, 2)
			require.Len(t, s.Valid, 1)
			require.NotContains(t, s.Train, s.Valid[0])
			require.Subset(t, []string{"a.nii.gz", "b.nii.gz", "c.nii.gz"}, s.Train)

			parts := t.TempDir() // stopped after the fourth step and resumed: the same bits
			ctx, stop := stopAt(4)
			require.Equal(t, Interrupted, run(t, ctx, c, parts, false, stop).Reason)
			run(t, context.Background(), c, parts, true, nil)
			requireSameFiles(t, files(t, whole), files(t, parts))

			f, err := weights.ReadHeader(filepath.Join(FoldFolder(whole, 0), BestFile))
			require.NoError(t, err)
			p, err := models.PreparationOf(f)
			require.NoError(t, err)
			require.Equal(t, c.Labels.SpacingMM, p.Spacing)
			require.Len(t, p.Data, 64)
		})
	}
}

// What a network is to find is in its samples: brain as shares, lesions inside the brain mask.
func TestSamplesFromLabelMaps(t *testing.T) {
	for find, task := range map[string]string{FindBrain: models.Segmenter, FindLesions: models.Segmenter, FindNew: models.Detector} {
		c := onLabels(t, task, find)
		dev := cpu.New()
		tr, err := newTrainer(c, dev, nil)
		require.NoError(t, err)
		require.NoError(t, tr.openLabels())
		some := false
		for n := range 20 {
			p, err := tr.train.Draw(n)
			require.NoError(t, err)
			again, err := tr.train.Draw(n)
			require.NoError(t, err)
			require.Equal(t, p, again)
			images := 1
			if find == FindNew {
				images = 2
			}
			require.Len(t, p.Images, images)
			require.Len(t, p.Recipes, len(p.Images))
			for _, s := range p.Share {
				some = some || s > 0.9
			}
			_, lesions := masks(p)
			for _, l := range lesions {
				some = some || l
			}
		}
		require.True(t, some, find)
		require.NoError(t, dev.Close())
	}
}

// What LabelScans draws is what training draws and its network gets, on a grid along RAS.
func TestLabelScansAreWhatTrainingDraws(t *testing.T) {
	for find, task := range map[string]string{FindBrain: models.Segmenter, FindLesions: models.Segmenter, FindNew: models.Detector} {
		c := onLabels(t, task, find)
		dev := cpu.New()
		tr, err := newTrainer(c, dev, nil)
		require.NoError(t, err)
		require.NoError(t, tr.openLabels())
		l, err := OpenLabels(c)
		require.NoError(t, err)
		for n := range 3 {
			p, err := tr.train.Draw(n)
			require.NoError(t, err)
			s, err := l.Draw(dev, n)
			require.NoError(t, err)
			require.Equal(t, p.Case, s.Anatomy)
			require.Equal(t, p.Recipes, s.Recipes)
			require.Len(t, s.Images, len(p.Images))
			in := newComputing(c, dev, nil, synth.Networks{}, nil).upload(&sample.Batch{Samples: []*sample.Sample{p}})
			for i, im := range s.Images {
				x, y := make([]float32, len(im.Data)), make([]float32, len(im.Data))
				dev.Download(x, in.images[i])
				volume.ToNetwork(y, im.Data, im.Size, [3]int{}, im.Size)
				require.Equal(t, x, y)
				require.Equal(t, c.Labels.SpacingMM, im.Spacing()[2])
			}
			in.free(dev)
			if find == FindBrain {
				continue
			}
			_, lesions := masks(p)
			want := s.Lesions[0]
			if find == FindNew {
				want = s.New
			}
			got := make([]bool, len(lesions))
			volume.ToNetwork(got, want.Data, want.Size, [3]int{}, want.Size)
			for i, in := range lesions { // training takes those inside the brain mask
				require.True(t, !in || got[i])
			}
			for i, k := range s.Kinds {
				require.Equal(t, find == FindNew && s.New.Data[i], k == 1+int32(synth.Appears))
			}
		}
		now, _ := dev.Usage()
		require.Zero(t, now)
		require.NoError(t, dev.Close())
	}
	_, err := OpenLabels(Defaults(models.Detector))
	require.ErrorContains(t, err, "labels.root is missing")
}

// scannedHeads is a data set of three heads made of balls, where the atlas has a brain, that were scanned once.
func scannedHeads(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	like := atlas.Likelihood(atlas.WhiteMatter)
	grid, err := volume.Iso(like.Grid, 1)
	require.NoError(t, err)
	likely := volume.Resample(like, grid, volume.Linear, 0)
	for n := range 3 {
		dir := filepath.Join(root, fmt.Sprintf("case%d", n))
		require.NoError(t, os.MkdirAll(dir, 0o777))
		v, brain := volume.New(grid), volume.NewMask(grid)
		for i, p := range likely.Data {
			if brain.Data[i] = p > 0.1; brain.Data[i] {
				v.Data[i] = float32(500 + 100*n + i%7)
			}
		}
		require.NoError(t, volume.Write(filepath.Join(dir, "flair.nii.gz"), v, volume.Int16))
		require.NoError(t, volume.WriteMask(filepath.Join(dir, "brainmask.nii.gz"), brain))
		none := volume.NewMask(grid)
		none.Data[grid.Index(90, 120, 90)] = true
		require.NoError(t, volume.WriteMask(filepath.Join(dir, "lesions.nii.gz"), none))
	}
	return root
}

// A share of the samples is drawn from scans; the others are what they are without scans.
func TestSamplesFromScans(t *testing.T) {
	c := onLabels(t, models.Detector, FindNew)
	c.Labels.Scans, c.Labels.ScanShare = scannedHeads(t), 0.5
	dev := cpu.New()
	tr, err := newTrainer(c, dev, nil)
	require.NoError(t, err)
	require.NoError(t, tr.openLabels())
	scanned, fresh := 0, 0
	for n := range 40 {
		p, err := tr.train.Draw(n)
		require.NoError(t, err)
		again, err := tr.train.Draw(n)
		require.NoError(t, err)
		require.Equal(t, p, again)
		if !strings.HasPrefix(p.Case, "case") {
			continue
		}
		scanned++
		_, lesions := masks(p)
		for _, in := range lesions {
			if in {
				fresh++
			}
		}
	}
	require.InDelta(t, 20, scanned, 9)
	require.Greater(t, fresh, 30)
	h, err := tr.hashData(func(string) (string, error) { return "x", nil })
	require.NoError(t, err)
	c.Labels.Scans = ""
	without, err := newTrainer(c, dev, nil)
	require.NoError(t, err)
	require.NoError(t, without.openLabels())
	other, err := without.hashData(func(string) (string, error) { return "x", nil })
	require.NoError(t, err)
	require.NotEqual(t, h, other, "what was trained on is told by a hash of both")
	require.NoError(t, dev.Close())
	c.Labels.Scans, c.Labels.Find, c.Task = "x", FindBrain, models.Segmenter
	require.ErrorContains(t, c.Labels.check(c.Task), "labels.scans")
}

// Scans of fewer patients than there are folds train and validate alike, with a word.
func TestFewerScansThanFoldsAreToldOf(t *testing.T) {
	c := onLabels(t, models.Detector, FindNew)
	c.Labels.Scans, c.Data.Folds = scannedHeads(t), 3
	require.NoError(t, os.RemoveAll(filepath.Join(c.Labels.Scans, "case2")))
	dev := cpu.New()
	defer dev.Close()
	tr, err := newTrainer(c, dev, nil)
	require.NoError(t, err)
	var told bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&told, nil)))
	defer slog.SetDefault(before)
	require.NoError(t, tr.openLabels())
	require.Contains(t, told.String(), "2 patients cannot be split into 3 folds: their scans are drawn from in training and in validation")
}

func TestLabelsAreChecked(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"does not find":     func(c *Config) { c.Labels.Find = FindNew },
		"shapes is missing": func(c *Config) { c.Labels.Find, c.Labels.Shapes = FindLesions, "" },
		"spacing_mm = 2":    func(c *Config) { c.Labels.Find, c.Labels.SpacingMM = FindLesions, 2 },
		"shape_min_voxels":  func(c *Config) { c.Labels.ShapeMin = 0 },
		"turn_degrees":      func(c *Config) { c.Labels.TurnDegrees = -1 },
		"gone, grown":       func(c *Config) { c.Labels.Gone, c.Labels.Grown = 0.9, 0.9 },
		"run.full_every":    func(c *Config) { c.Run.FullEvery = 1 },
		"freeze_norm":       func(c *Config) { c.Network.FreezeNorm = true },
	} {
		c := onLabels(t, models.Segmenter, FindBrain)
		require.NoError(t, c.Check())
		change(&c)
		require.ErrorContains(t, c.Check(), want)
	}
}

// Norms that are frozen keep the statistics of the weights that training starts from, and the rest trains.
func TestFrozenNorms(t *testing.T) {
	c := onLabels(t, models.Segmenter, FindBrain)
	first := t.TempDir()
	run(t, context.Background(), c, first, false, nil)
	c.Start = filepath.Join(FoldFolder(first, 0), FinalFile)
	c.Network.FreezeNorm = true
	second := t.TempDir()
	run(t, context.Background(), c, second, false, nil)
	before, err := weights.Read(c.Start)
	require.NoError(t, err)
	after, err := weights.Read(filepath.Join(FoldFolder(second, 0), FinalFile))
	require.NoError(t, err)
	changed := 0
	for _, a := range after.Tensors {
		b, ok := before.Get(a.Name)
		require.True(t, ok)
		switch ext := filepath.Ext(a.Name); ext {
		case ".running_mean", ".running_var":
			require.Equal(t, b.Data, a.Data, a.Name)
		default:
			if string(b.Data) != string(a.Data) {
				changed++
			}
		}
	}
	require.Greater(t, changed, 20)
}
