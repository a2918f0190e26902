package train

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/internal/settings"
	"voxgrad/models"
	"voxgrad/models/weights"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
)

// longer is tiny with enough steps to learn something.
func longer() Config {
	c := tiny()
	c.Network.Width, c.Network.Dropout = 4, 0.1
	c.Adam.LearningRate = 1e-2
	c.Run.Steps, c.Run.Epochs, c.Run.ValidPatches = 30, 4, 8
	return c
}

func TestSegmenterLearnsAndDetectorBuildsOnIt(t *testing.T) {
	folder := t.TempDir()
	c := longer()
	c.Run.FullEvery = 4
	var epochs, full int
	s := run(t, context.Background(), c, folder, false, func(e Event) {
		switch e := e.(type) {
		case EpochDone:
			epochs++
			t.Logf("epoch %d: loss %.3f, validation %.3f, Dice %.3f; %.1f s", e.Epoch, e.TrainLoss, e.ValidLoss, e.ValidDice, e.Seconds)
			require.Len(t, e.History, epochs)
		case FullCase:
			full++
			require.False(t, math.IsNaN(float64(e.Dice)))
		}
	})
	require.Equal(t, 4, epochs)
	require.Equal(t, 1, full)
	require.Equal(t, AllEpochs, s.Reason)
	require.Len(t, s.Valid, 1)
	require.Len(t, s.Train, 2)
	require.Greater(t, float64(s.Best.ValidDice), 0.25, "soft Dice of the lesions; 0.0 to begin with")
	require.Less(t, float64(s.Best.ValidLoss), 0.38, "0.5 is what predicting no lesion gives")
	require.False(t, math.IsNaN(float64(s.Last.FullDice)))

	// What the folder holds.
	dir := FoldFolder(folder, 0)
	f, err := os.Open(filepath.Join(dir, "metrics.csv"))
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 5)
	require.Equal(t, "epoch", rows[0][0])
	require.Equal(t, "120", rows[4][1])
	var summary map[string]any
	b, err := os.ReadFile(filepath.Join(dir, "summary.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &summary))
	require.Equal(t, "all epochs", summary["reason"])
	events, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	require.NoError(t, err)
	require.Len(t, events, 1)
	resolved := Defaults("segmenter")
	b, err = os.ReadFile(filepath.Join(dir, "config.toml"))
	require.NoError(t, err)
	require.NoError(t, resolved.ParseTOML(b))
	require.Empty(t, settings.Diff(c.Resolved(), resolved.Resolved()))

	// The detector: same encoder before and after, other weights moved.
	d := longer()
	d.Task, d.Network.Width, d.FreezeEncoder = "detector", 0, true
	d.Data.Root = filepath.Join(data, "pairs")
	d.Encoder = filepath.Join(dir, BestFile)
	d.Run.Epochs = 1
	out := t.TempDir()
	run(t, context.Background(), d, out, false, nil)
	enc, err := weights.Read(d.Encoder)
	require.NoError(t, err)
	det, err := weights.Read(filepath.Join(FoldFolder(out, 0), FinalFile))
	require.NoError(t, err)
	for _, name := range []string{"conv1.weight", "conv7.bias", "bn6.running_var", "bn1.weight"} {
		a, ok := enc.Get(name)
		require.True(t, ok)
		b, ok := det.Get(name)
		require.True(t, ok)
		require.Equal(t, a.Data, b.Data, name)
	}
	a, _ := enc.Get("conv8.weight")
	b2, _ := det.Get("conv8.weight")
	require.NotEqual(t, a.Data, b2.Data)

	// Interrupted and resumed, the detector too gives the same bits, even where its
	// encoder's file is gone.
	again := t.TempDir()
	ctx, watch := stopAt(7)
	moved := filepath.Join(t.TempDir(), "encoder.safetensors")
	b, err = os.ReadFile(d.Encoder)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(moved, b, 0o666))
	run(t, ctx, func() Config { e := d; e.Encoder = moved; return e }(), again, false, watch)
	require.NoError(t, os.Remove(moved))
	run(t, context.Background(), d, again, true, nil)
	requireSameFiles(t, files(t, out), files(t, again))

	// A detector's encoder of another width, and a detector's file for a segmenter.
	dev := cpu.New()
	defer dev.Close()
	d.Network.Width = 3
	_, err = Run(context.Background(), Job{Device: dev, Config: d, Folder: t.TempDir()})
	require.ErrorContains(t, err, "width")
	require.ErrorContains(t, err, d.Encoder)
}

func TestEarlyStop(t *testing.T) {
	c := tiny()
	c.Adam.LearningRate = 0 // nothing changes but the running averages
	c.Run.Epochs, c.Run.Patience, c.Run.Steps = 50, 2, 1
	folder := t.TempDir()
	s := run(t, context.Background(), c, folder, false, nil)
	require.Equal(t, EarlyStop, s.Reason)
	require.Less(t, s.Epochs, 50)
	require.Equal(t, s.Best.Epoch+2, s.Epochs)
}

func TestCollapseAlarm(t *testing.T) {
	tr := &trainer{cfg: tiny()}
	var warnings []string
	tr.on = func(e Event) { warnings = append(warnings, e.(Warning).Text) }
	for range 199 {
		require.NoError(t, tr.watchCollapse(0.99e-4))
	}
	require.NoError(t, tr.watchCollapse(1e-4)) // ends the row
	for range 199 {
		require.NoError(t, tr.watchCollapse(0))
	}
	require.Empty(t, warnings)
	tr.state.Step = 777
	for range 100 {
		require.NoError(t, tr.watchCollapse(0))
	}
	require.Len(t, warnings, 1, "once in a row")
	require.Contains(t, warnings[0], "step 777")
	require.Contains(t, warnings[0], "predicts no lesion")

	tr.cfg.Run.OnCollapse = "stop"
	tr.state.LowSteps = 199
	require.ErrorContains(t, tr.watchCollapse(0), "200 steps")
}

// A network whose last bias says "background" collapses for real; the run stops,
// saves, and says so.
func TestCollapseStopsTheRun(t *testing.T) {
	c := tiny()
	c.Run.OnCollapse = "stop"
	folder := t.TempDir()
	ctx, watch := stopAt(1)
	run(t, ctx, c, folder, false, watch)
	last := filepath.Join(FoldFolder(folder, 0), LastFile)
	f, err := weights.Read(last)
	require.NoError(t, err)
	for i, x := range f.Tensors {
		switch x.Name {
		case "conv_out.bias":
			f.Tensors[i] = weights.Float32(x.Name, x.Shape, []float32{50, -50})
		case stateTensor:
			f.Tensors[i] = weights.Bytes(x.Name, []byte(strings.Replace(string(x.Data), `"low_steps":0`, `"low_steps":198`, 1)))
		}
	}
	require.NoError(t, weights.Write(last, f.Tensors, f.Meta))
	dev := cpu.New()
	defer dev.Close()
	s, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: folder, Resume: true})
	require.ErrorContains(t, err, "step 3: the network predicts no lesion")
	require.Equal(t, Collapsed, s.Reason)
}

func TestUnwritableFolders(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	// A folder below a file cannot be made, by root neither.
	blocker := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocker, nil, 0o666))
	_, err := Run(context.Background(), Job{Device: dev, Config: tiny(), Folder: filepath.Join(blocker, "run")})
	require.ErrorContains(t, err, "cannot make the folder")
	require.ErrorContains(t, err, blocker)
	now, _ := dev.Usage()
	require.Zero(t, now)

	if os.Getuid() != 0 {
		locked := t.TempDir()
		require.NoError(t, os.Chmod(locked, 0o555))
		_, err = Run(context.Background(), Job{Device: dev, Config: tiny(), Folder: filepath.Join(locked, "run")})
		require.ErrorContains(t, err, locked)
	}
}

// A checkpoint that cannot be replaced: its name is taken by a folder, so that
// the rename at the end fails as on a disk that stopped taking writes.
func TestFailingSaveKeepsTheOldFiles(t *testing.T) {
	c := tiny()
	folder := t.TempDir()
	dir := FoldFolder(folder, 0)
	dev := cpu.New()
	defer dev.Close()
	var before []byte
	s, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: folder, Events: func(e Event) {
		if d, ok := e.(EpochDone); ok && d.Epoch == 1 {
			var err error
			before, err = os.ReadFile(filepath.Join(dir, LastFile))
			require.NoError(t, err)
			require.NoError(t, os.Remove(filepath.Join(dir, BestFile)))
			require.NoError(t, os.MkdirAll(filepath.Join(dir, BestFile, "x"), 0o777))
		}
	}})
	require.ErrorContains(t, err, BestFile)
	require.Equal(t, Failed, s.Reason)
	require.NotEmpty(t, s.Error)
	after, err := os.ReadFile(filepath.Join(dir, LastFile))
	require.NoError(t, err)
	require.True(t, string(before) == string(after), "the checkpoint of the epoch before is untouched")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		require.NotContains(t, e.Name(), ".tmp", "nothing half-written is left")
	}
}

func TestDataThatDoesNotFitTheTask(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	try := func(change func(*Config)) error {
		c := tiny()
		change(&c)
		_, err := Run(context.Background(), Job{Device: dev, Config: c, Folder: t.TempDir()})
		return err
	}
	require.ErrorContains(t, try(func(c *Config) { c.Data.Root = filepath.Join(data, "pairs") }), "2 images per case; task segmenter takes 1")
	require.ErrorContains(t, try(func(c *Config) { c.Data.Fold = 3 }), "fold 3")
	require.ErrorContains(t, try(func(c *Config) { c.Data.Folds = 4 }), "3 patients")
	require.ErrorContains(t, try(func(c *Config) { c.Sampler.Jitter = 8 }), "jitter 8")
	require.ErrorContains(t, try(func(c *Config) { c.Sampler.Patch[1] = 20 }), "patch")
	require.ErrorContains(t, try(func(c *Config) {
		c.Task, c.FreezeEncoder, c.Data.Root, c.Encoder = models.Detector, true, filepath.Join(data, "pairs"), filepath.Join(data, "none.safetensors")
	}), "none.safetensors")
	missing := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(missing, "a"), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(missing, "a", "flair.nii.gz"), nil, 0o666))
	require.ErrorContains(t, try(func(c *Config) { c.Data.Root = missing }), "a: lesion mask")
	require.ErrorContains(t, try(func(c *Config) {
		c.Data.Root, c.Data.Layout = missing, "nnunet"
	}), "no case in layout nnunet")
}

// The seam for other sources of samples stays one method wide.
var _ sample.Source = (*sample.Sampler)(nil)
var _ sample.Cases = (*dataset.View)(nil)
