package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

func TestTrainedNetworksAreAppliedAndScored(t *testing.T) {
	dir := clitest.Trained(t)
	for _, f := range []string{"checkpoint_best.safetensors", "checkpoint_last.safetensors", "checkpoint_final.safetensors", "metrics.csv", "summary.json", "config.toml", "progress.png"} {
		require.FileExists(t, filepath.Join(dir, "seg/fold_0", f))
		require.FileExists(t, filepath.Join(dir, "det/fold_0", f))
	}
	one := filepath.Join(dir, "data/phantom001")
	t1, t2, truth := filepath.Join(one, dataset.PhantomTime1), filepath.Join(one, dataset.PhantomTime2), filepath.Join(one, dataset.PhantomTruth)
	mask, prob, picture, table := filepath.Join(dir, "m.nii.gz"), filepath.Join(dir, "p.nii.gz"), filepath.Join(dir, "m.png"), filepath.Join(dir, "m.csv")

	clitest.Succeeds(t, "segment", "--model", filepath.Join(dir, "seg/fold_0/checkpoint_best.safetensors"), "--flair", t1, "--out", mask, "--prob", prob,
		"--patch", "16x16x16", "--hop", "8x8x8", "--picture", picture, "--table", table)
	m, err := volume.Read(mask)
	require.NoError(t, err)
	p, err := volume.Read(prob)
	require.NoError(t, err)
	flair, err := volume.Read(t1)
	require.NoError(t, err)
	require.Equal(t, flair.Grid, m.Grid)
	brain, err := volume.BrainMask(flair)
	require.NoError(t, err)
	for i, x := range p.Data {
		require.Equal(t, x > 0.5, m.Data[i] == 1)
		require.False(t, !brain.Data[i] && x != 0, "a probability outside the brain")
	}
	require.FileExists(t, picture)
	require.FileExists(t, table)

	det := filepath.Join(dir, "det/fold_0/checkpoint_last.safetensors")
	stripped := filepath.Join(dir, "plain.safetensors")
	clitest.Succeeds(t, "weights", "strip", det, stripped)
	require.Contains(t, clitest.Succeeds(t, "weights", "check", stripped, det), "detector")
	require.Contains(t, clitest.Succeeds(t, "weights", "show", stripped), "fuse4_bn.running_var")
	var lists [2]string
	for i, w := range []string{det, stripped} {
		lists[i] = clitest.Succeeds(t, "predict", "--model", w, "--model", w, "--time1", t1, "--time2", t2, "--out", mask, "--patch", "16", "--json")
	}
	require.Equal(t, lists[0], lists[1], "a plain weights file predicts what its checkpoint predicts")
	var lesions struct{ Lesions []map[string]any }
	require.NoError(t, json.Unmarshal([]byte(lists[0]), &lesions))

	var scores map[string]*float64
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "evaluate", "--truth", truth, "--pred", truth, "--json")), &scores))
	for _, key := range []string{"dice", "lesion_sensitivity", "lesion_ppv", "lesion_f1", "truth_lesions", "pred_lesions"} {
		require.Contains(t, scores, key)
	}

	preds := filepath.Join(dir, "preds")
	require.NoError(t, os.MkdirAll(preds, 0o777))
	for _, name := range []string{"phantom001", "phantom002"} {
		v, err := volume.Read(filepath.Join(dir, "data", name, dataset.PhantomTruth))
		require.NoError(t, err)
		require.NoError(t, volume.Write(filepath.Join(preds, name+".nii.gz"), v, volume.Uint8))
	}
	require.Contains(t, clitest.Succeeds(t, "evaluate", "--truth", filepath.Join(dir, "data"), "--pred", preds), "phantom002")
}

func TestTransformsMoveScansInAndResultsOut(t *testing.T) {
	dir := clitest.Trained(t)
	one := filepath.Join(dir, "data/phantom001")
	itk := filepath.Join(dir, "shift.txt")
	// Points of the space to points of the scan: 4 mm along x. ITK counts x to the left.
	require.NoError(t, os.WriteFile(itk, []byte("#Insight Transform File V1.0\nTransform: AffineTransform_double_3_3\nParameters: 1 0 0 0 1 0 0 0 1 -4 0 0\nFixedParameters: 0 0 0\n"), 0o600))
	moved := func(file string) string {
		v, err := volume.Read(filepath.Join(one, file))
		require.NoError(t, err)
		v.Affine[0][3] += 4
		v.Source = nil
		out := filepath.Join(dir, "moved_"+file)
		require.NoError(t, volume.Write(out, v, volume.Float32))
		return out
	}
	det := filepath.Join(dir, "det/fold_0/checkpoint_best.safetensors")
	args := []string{"predict", "--model", det, "--patch", "16", "--out", filepath.Join(dir, "o.nii.gz")}
	plain, shifted := filepath.Join(dir, "plain.nii.gz"), filepath.Join(dir, "shifted.nii.gz")
	clitest.Succeeds(t, append(args, "--prob", plain, "--time1", filepath.Join(one, dataset.PhantomTime1), "--time2", filepath.Join(one, dataset.PhantomTime2))...)
	clitest.Succeeds(t, append(args, "--prob", shifted, "--time1", moved(dataset.PhantomTime1), "--time2", moved(dataset.PhantomTime2),
		"--transform1", itk, "--transform2", itk, "--space", filepath.Join(one, dataset.PhantomTime1))...)
	a, err := volume.Read(plain)
	require.NoError(t, err)
	b, err := volume.Read(shifted)
	require.NoError(t, err)
	require.InDelta(t, a.Affine[0][3]+4, b.Affine[0][3], 1e-4, "the result lies where the scan lay")
	require.InDeltaSlice(t, a.Data, b.Data, 1e-5)
}

func TestExitStatusAndMessages(t *testing.T) {
	dir := clitest.Trained(t)
	one := filepath.Join(dir, "data/phantom001")
	t1, t2, truth := filepath.Join(one, dataset.PhantomTime1), filepath.Join(one, dataset.PhantomTime2), filepath.Join(one, dataset.PhantomTruth)
	seg, det := filepath.Join(dir, "seg/fold_0/checkpoint_best.safetensors"), filepath.Join(dir, "det/fold_0/checkpoint_best.safetensors")
	out := filepath.Join(dir, "never.nii.gz")
	damage := func(name string, change func(v *volume.Volume)) string {
		v, err := volume.Read(t1)
		require.NoError(t, err)
		change(v)
		p := filepath.Join(dir, name)
		require.NoError(t, volume.Write(p, v, volume.Float32))
		return p
	}
	nan := damage("nan.nii.gz", func(v *volume.Volume) { v.Data[v.Index(16, 16, 16)] = float32(math.NaN()) }) // in the brain
	constant := damage("constant.nii.gz", func(v *volume.Volume) {
		for i := range v.Data {
			v.Data[i] = 7
		}
	})
	empty := damage("empty.nii.gz", func(v *volume.Volume) { clear(v.Data) })
	turned := damage("turned.nii.gz", func(v *volume.Volume) { v.Affine[0][3] += 3; v.Source = nil })
	whole, err := os.ReadFile(t1)
	require.NoError(t, err)
	short := filepath.Join(dir, "short.nii.gz")
	require.NoError(t, os.WriteFile(short, whole[:len(whole)/2], 0o600))
	config := filepath.Join(dir, "bad.toml")
	require.NoError(t, os.WriteFile(config, []byte("[run]\nepoch = 3\n"), 0o600))
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))

	segment := func(args ...string) []string {
		return append([]string{"segment", "--patch", "16", "--out", out}, args...)
	}
	for _, c := range []struct {
		status int
		says   []string
		args   []string
	}{
		{2, []string{"unknown command", "segment"}, []string{"segmnt"}},
		{2, []string{"unknown command"}, []string{"train", "detectr"}},
		{2, []string{"unknown flag"}, []string{"evaluate", "--trth", truth}},
		{2, []string{"required", "pred"}, []string{"evaluate", "--truth", truth}},
		{2, []string{"--patch", "64x64x64"}, []string{"segment", "--model", seg, "--flair", t1, "--out", out, "--patch", "16x16"}},
		{2, []string{"--vram is empty"}, []string{"train", "segmenter", "--data", dir, "--out", out, "--vram", ""}},
		{2, []string{"--vram", "12GB"}, []string{"train", "segmenter", "--data", dir, "--out", out, "--vram", "lots"}},
		{1, []string{"not enough memory", "MiB"}, []string{"train", "segmenter", "--data", dir, "--out", out, "--vram", "1MB", "--width", "4", "--patch", "16", "--jitter", "4"}},
		{2, []string{"--device", "gpu"}, segment("--model", seg, "--flair", t1, "--device", "gpu")},
		{2, []string{"alpha"}, []string{"evaluate", "--truth", truth, "--pred", truth, "--alpha", "2"}},
		{1, []string{"absent.nii.gz"}, segment("--model", seg, "--flair", filepath.Join(dir, "absent.nii.gz"))},
		{1, []string{"short.nii.gz"}, segment("--model", seg, "--flair", short)},
		{1, []string{"nan.nii.gz", "inside the brain are NaN", "(16, 16, 16)"}, segment("--model", seg, "--flair", nan)},
		{1, []string{"constant.nii.gz"}, segment("--model", seg, "--flair", constant)},
		{1, []string{"empty.nii.gz"}, segment("--model", seg, "--flair", empty)},
		{1, []string{"turned.nii.gz", "3"}, segment("--model", seg, "--flair", t1, "--brainmask", turned)},
		{1, []string{"turned.nii.gz", "mm"}, []string{"predict", "--model", det, "--time1", t1, "--time2", turned, "--out", out, "--prepare", "none"}},
		{1, []string{"detector"}, []string{"predict", "--model", seg, "--time1", t1, "--time2", t2, "--out", out}},
		{1, []string{"safetensors"}, segment("--model", t1, "--flair", t1)},
		{1, []string{"bad.toml", "epoch"}, []string{"train", "segmenter", "--data", dir, "--out", filepath.Join(dir, "x"), "--config", config}},
		{1, []string{"file"}, append([]string{"train", "segmenter", "--data", filepath.Join(dir, "data/single.csv"), "--out", filepath.Join(file, "run")}, clitest.Tiny...)},
		{1, []string{"resume"}, append([]string{"train", "segmenter", "--data", filepath.Join(dir, "data/single.csv"), "--out", filepath.Join(dir, "seg")}, clitest.Tiny...)},
		{1, []string{"turned.nii.gz"}, []string{"evaluate", "--truth", truth, "--pred", turned}},
		{1, []string{"no such file"}, segment("--model", seg, "--flair", t1, "--out", filepath.Join(dir, "no/where.nii.gz"))},
		{1, []string{"--space"}, []string{"predict", "--model", det, "--time1", t1, "--time2", t2, "--out", out, "--transform1", file}},
	} {
		status, stdout, stderr := clitest.Run(t, c.args...)
		what := strings.Join(c.args, " ") + "\n" + stderr
		require.Equal(t, c.status, status, what)
		require.NotContains(t, stderr, "goroutine", what)
		require.Empty(t, stdout, what)
		for _, s := range c.says {
			require.Contains(t, stderr, s, what)
		}
		require.NoFileExists(t, out, what)
	}
}

func TestFullDiskLeavesNothing(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	status, _, stderr := clitest.Run(t, "phantom", "--out", "/dev/full/x", "--size", "32")
	require.Equal(t, 1, status, stderr)
	require.Contains(t, stderr, "/dev/full")
}

func TestVersionAndHelp(t *testing.T) {
	require.Contains(t, clitest.Succeeds(t, "--version"), "voxgrad ")
	help := clitest.Succeeds(t, "--help")
	for _, c := range []string{"demo", "predict", "segment", "train", "evaluate", "gradcheck", "weights", "phantom", "data"} {
		require.Contains(t, help, c)
	}
	require.Contains(t, clitest.Succeeds(t, "train", "detector", "--help"), "--learning-rate")
}
