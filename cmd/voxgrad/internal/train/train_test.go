package train_test

import (
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
)

// Every stage from the command line: both networks that restore, a detector on
// synthetic pairs, and its fine-tuning on real ones.
func TestStagesFromTheCommandLine(t *testing.T) {
	dir := clitest.Trained(t)
	data, single := filepath.Join(dir, "data"), filepath.Join(dir, "data", "single.csv")
	best := func(run string) string { return filepath.Join(dir, run, "fold_0", "checkpoint_best.safetensors") }
	config := filepath.Join(dir, "stages.toml")
	require.NoError(t, os.WriteFile(config, []byte("[synthesis]\nshape_min_voxels = 2\n"), 0o600))
	restorer := []string{"--config", config, "--width", "2", "--patch", "8", "--jitter", "2", "--batch", "1", "--steps", "2", "--epochs", "1", "--valid-patches", "2", "--folds", "2"}
	detector := append([]string{"train", "detector"}, clitest.Tiny[2:]...)

	for _, task := range []string{"inpainter", "generator"} {
		out := clitest.Succeeds(t, append([]string{"train", task, "--data", single, "--out", filepath.Join(dir, task)}, restorer...)...)
		require.Contains(t, out, "PSNR")
		f, err := os.Open(filepath.Join(dir, task, "fold_0", "restored.png"))
		require.NoError(t, err)
		img, err := png.Decode(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		require.Greater(t, img.Bounds().Dx(), 3*300)
		require.Greater(t, img.Bounds().Dy(), 2*300, "two patches")
	}
	synthetic := append(detector, "--config", config, "--data", single, "--out", filepath.Join(dir, "synthetic"),
		"--encoder", best("seg"), "--inpainter", best("inpainter"), "--generator", best("generator"))
	clitest.Succeeds(t, append(synthetic, "--vram", "1GB")...)
	clitest.Succeeds(t, append(detector, "--data", data, "--out", filepath.Join(dir, "tuned"), "--start", best("synthetic"), "--learning-rate", "1e-5")...)
	clitest.Succeeds(t, append(detector, "--data", data, "--out", filepath.Join(dir, "scratch"), "--width", "2", "--freeze-encoder=false", "--augment", "paper-baseline")...)
	text, err := os.ReadFile(filepath.Join(dir, "scratch", "fold_0", "config.toml"))
	require.NoError(t, err)
	require.Contains(t, string(text), "augment = 'paper-baseline'")

	// Nothing is left to do, so there is no step to time.
	resumed := clitest.Succeeds(t, append(synthetic, "--resume")...)
	require.Contains(t, resumed, "best weights")
	require.NotContains(t, resumed, "median step")

	// What goes wrong.
	status, _, stderr := clitest.Run(t, append(detector, "--data", data, "--out", filepath.Join(dir, "x"), "--start", best("generator"))...)
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "is of kind generator")
	status, _, stderr = clitest.Run(t, append(detector, "--data", single, "--out", filepath.Join(dir, "x"), "--encoder", best("seg"), "--inpainter", best("inpainter"))...)
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "synthesis.generator")
	status, _, stderr = clitest.Run(t, "train", "inpainter", "--data", single, "--out", filepath.Join(dir, "x"), "--encoder", best("seg"))
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "unknown flag")
	status, _, stderr = clitest.Run(t, "train", "inpainter", "--data", single, "--out", "")
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "--out is empty")
}

// A plan, or the settings, are printed and nothing is read or made.
func TestWhatTrainPrintsWithoutTraining(t *testing.T) {
	out := filepath.Join(t.TempDir(), "run")
	plan := clitest.Succeeds(t, "train", "segmenter", "--data", "/there/is/none", "--out", out, "--width", "2", "--patch", "16", "--jitter", "2",
		"--dry-run", "--device", "cpu", "--vram", "100MB")
	require.Contains(t, plan, "segmenter of width 2 on patches of 16×16×16 at batch 4")
	require.Contains(t, plan, "the largest batch in 95.4 MiB is ")
	status, _, stderr := clitest.Run(t, "train", "segmenter", "--data", "/there/is/none", "--out", out, "--dry-run", "--device", "cpu", "--vram", "100MB")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "not enough memory")
	require.NoDirExists(t, out)

	config := filepath.Join(t.TempDir(), "all.toml")
	text := clitest.Succeeds(t, "train", "generator", "--print-config", "--augment", "torchio", "--batch", "7")
	require.Contains(t, text, "# patches per step\nbatch = 7\n")
	require.Contains(t, text, "[augmentation.motion]\n")
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	require.Equal(t, text, clitest.Succeeds(t, "train", "generator", "--print-config", "--config", config))
}
