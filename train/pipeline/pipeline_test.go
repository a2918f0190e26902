package pipeline

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/lockfile"
	"voxgrad/train"
	"voxgrad/train/internal/phantomset"
)

// short is tiny with one member that trains from scratch on real pairs.
func short() Config {
	c := tiny()
	c.Members = 1
	c.Method = Method{}
	return c
}

func TestStepsRunOnceAndAgainOnlyForAReason(t *testing.T) {
	out := t.TempDir()
	c := tiny()
	c.Members = 1
	all := []string{"segmenter", "inpainter", "generator", "detector/fold_0", "finetune/fold_0", "predict", "evaluate", "baseline", "out_of_fold", "report"}
	names, why := ran(t, c, out)
	require.Equal(t, all, names)
	require.Equal(t, "has not run", why["segmenter"])
	require.FileExists(t, filepath.Join(out, PageFile))
	require.FileExists(t, filepath.Join(out, "baseline/case0_new.nii.gz"))
	first := results(t, out, false)

	again, _ := ran(t, c, out)
	require.Empty(t, again)

	// What does not touch the result is no reason.
	c.Data.CacheMB, c.Segmenter.Run.Ahead, c.Finetune.Run.SaveEvery = 17, 1, 0
	again, _ = ran(t, c, out)
	require.Empty(t, again)

	// A setting of one stage: it and what is made of its weights.
	c.Finetune.Adam.LearningRate = 2e-4
	names, why = ran(t, c, out)
	require.Equal(t, []string{"finetune/fold_0", "predict", "evaluate", "out_of_fold", "report"}, withReport(names))
	require.Equal(t, "changed: adam.learning_rate was 0.0001, is 0.0002", why["finetune/fold_0"])
	require.Contains(t, why["predict"], "changed: member 0")

	// And back, to the same bits.
	c.Finetune.Adam.LearningRate = 1e-4
	ran(t, c, out)
	require.Equal(t, first, results(t, out, false))

	// The report's own settings concern the report.
	c.Predict.Pictures = 1
	names, _ = ran(t, c, out)
	require.Equal(t, []string{"report"}, names)
	require.FileExists(t, filepath.Join(out, "pictures/case0.png"))
	require.NoFileExists(t, filepath.Join(out, "pictures/case1.png"))
}

// withReport adds the report where masks, and so scores, came out as before.
func withReport(names []string) []string {
	out := []string{}
	for _, want := range []string{"finetune/fold_0", "predict", "evaluate", "out_of_fold", "report"} {
		has := want == "evaluate" || want == "report"
		for _, n := range names {
			has = has || n == want
		}
		if has {
			out = append(out, want)
		}
	}
	return out
}

func TestFilesAreJudgedByContent(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, phantomset.Write(root, 2))
	out := t.TempDir()
	c := short()
	c.Data.Single.Root, c.Data.Pairs.Root, c.Data.Test.Root = "", filepath.Join(root, "pairs"), filepath.Join(root, "pairs")
	ran(t, c, out)
	first := results(t, out, false)

	// Touched, and moved elsewhere.
	mask := filepath.Join(root, "pairs/case0/ground_truth.nii.gz")
	require.NoError(t, os.Chtimes(mask, time.Now(), time.Now()))
	moved := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Rename(filepath.Join(root, "pairs"), moved))
	c.Data.Pairs.Root, c.Data.Test.Root = moved, moved
	again, _ := ran(t, c, out)
	require.Empty(t, again)

	// Another truth of one case. Prediction does not look at it.
	b, err := os.ReadFile(filepath.Join(moved, "case1/ground_truth.nii.gz"))
	require.NoError(t, err)
	mask = filepath.Join(moved, "case0/ground_truth.nii.gz")
	old, err := os.ReadFile(mask)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(mask, b, 0o666))
	names, why := ran(t, c, out)
	require.Contains(t, names, "finetune/fold_0")
	require.Contains(t, names, "evaluate")
	require.Equal(t, "changed: data pairs", why["finetune/fold_0"])
	if why["predict"] != "" {
		require.Equal(t, "changed: member 0", why["predict"])
	}
	require.NoError(t, os.WriteFile(mask, old, 0o666))
	ran(t, c, out)
	require.Equal(t, first, results(t, out, false))

	// Outputs that someone touched are made again.
	prediction := filepath.Join(out, "predictions/case0_new.nii.gz")
	require.NoError(t, os.Remove(prediction))
	require.NoError(t, os.WriteFile(filepath.Join(out, "finetune/fold_0", train.BestFile), []byte("spoilt"), 0o666))
	names, why = ran(t, c, out)
	require.Equal(t, []string{"finetune/fold_0", "predict"}, names, "and the rest finds what it had")
	require.Equal(t, "finetune/fold_0/checkpoint_best.safetensors was changed by something else", why["finetune/fold_0"])
	require.Equal(t, "predictions/case0_new.nii.gz is gone", why["predict"])
	require.Equal(t, first, results(t, out, false))

	// A stamp that cannot be read is none.
	require.NoError(t, os.WriteFile(filepath.Join(out, "steps/evaluate.json"), []byte("{"), 0o666))
	names, _ = ran(t, c, out)
	require.Equal(t, []string{"evaluate"}, names)
}

// stopping runs until a training step and ends there as by a signal.
func stopping(t *testing.T, c Config, out string, step int) {
	ctx, cancel := context.WithCancel(context.Background())
	p := folder(t, c, out, func(e Event) {
		if e, ok := e.(Training); ok {
			if s, ok := e.Event.(train.StepDone); ok && s.Step == step {
				cancel()
			}
		}
	})
	require.ErrorIs(t, p.Run(ctx), ErrInterrupted)
}

func TestAStepThatWasCutOffGoesOnUnlessItsInputsChanged(t *testing.T) {
	whole := t.TempDir()
	ran(t, short(), whole)
	want := results(t, whole, false)

	out := t.TempDir()
	stopping(t, short(), out, 2)
	_, why := ran(t, short(), out)
	require.Equal(t, "was cut off", why["finetune/fold_0"])
	require.Equal(t, want, results(t, out, false))

	// Half a run with other settings is not gone on from.
	out = t.TempDir()
	other := short()
	other.Finetune.Adam.LearningRate = 0.5
	stopping(t, other, out, 2)
	_, why = ran(t, short(), out)
	require.Equal(t, "was begun; changed: adam.learning_rate was 0.5, is 0.0001", why["finetune/fold_0"])
	require.Equal(t, want, results(t, out, false))

	// Neither are the remains of a run whose mark is gone.
	out = t.TempDir()
	stopping(t, other, out, 2)
	require.NoError(t, os.Remove(filepath.Join(out, "steps/finetune.fold_0.begun.json")))
	ran(t, short(), out)
	require.Equal(t, want, results(t, out, false))
}

func TestTwoProcessesDoNotShareAStep(t *testing.T) {
	out := t.TempDir()
	p := folder(t, short(), out, nil)
	require.NoError(t, os.MkdirAll(filepath.Join(out, stepsFolder), 0o777))
	l, err := lockfile.File(p.lockFile(p.steps[0]), "step "+p.steps[0].Name)
	require.NoError(t, err)
	settings := filepath.Join(out, ConfigFile)
	require.NoError(t, os.WriteFile(settings, []byte("the other's"), 0o666))
	err = p.Run(context.Background())
	require.ErrorContains(t, err, "step finetune/fold_0 is in use by process ")
	require.ErrorContains(t, err, "nothing was changed")
	kept, err := os.ReadFile(settings)
	require.NoError(t, err)
	require.Equal(t, "the other's", string(kept))
	require.NoDirExists(t, filepath.Join(out, "finetune"))
	l.Unlock()
	require.NoError(t, p.Run(context.Background()))
}

func TestOnlyOneStep(t *testing.T) {
	out := t.TempDir()
	c := tiny()
	p := folder(t, c, out, nil)
	ctx := context.Background()
	require.ErrorContains(t, p.Only(ctx, "detector", 1), "detector/fold_1 needs step segmenter, which is not done (has not run): run it first")
	require.ErrorContains(t, p.Only(ctx, "detektor", -1), `no step "detektor" in this plan; there are segmenter, inpainter`)
	require.ErrorContains(t, p.Only(ctx, "detector", 2), "no member 2 of detector: they are 0 to 1")
	require.ErrorContains(t, p.Only(ctx, "predict", 0), "takes no fold")
	for _, s := range []string{"segmenter", "inpainter", "generator"} {
		require.NoError(t, p.Only(ctx, s, -1))
	}
	// Members in any order.
	for _, k := range []int{1, 0} {
		require.NoError(t, p.Only(ctx, "detector", k))
		require.NoError(t, p.Only(ctx, "finetune", k))
	}
	apart := results(t, out, false)
	require.NoDirExists(t, filepath.Join(out, "predictions"))
	names, _ := ran(t, c, out)
	require.Equal(t, []string{"predict", "evaluate", "baseline", "out_of_fold", "report"}, names)

	whole := t.TempDir()
	ran(t, c, whole)
	for f, h := range results(t, whole, false) {
		if had, ok := apart[f]; ok {
			require.Equal(t, h, had, f)
		}
	}
}
