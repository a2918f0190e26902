package pipeline_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
)

// tinyPipeline writes phantoms and a configuration whose stages take a moment.
func tinyPipeline(t *testing.T) (config, dir string) {
	t.Helper()
	dir = t.TempDir()
	data := filepath.Join(dir, "data")
	clitest.Succeeds(t, "phantom", "--out", data, "--count", "2", "--size", "32x32x32", "--seed", "3")
	config = filepath.Join(dir, "ms.toml")
	require.NoError(t, os.WriteFile(config, []byte(fmt.Sprintf(`folds = 2
members = 1
[data.single]
root = %q
[data.pairs]
root = %[2]q
[data.test]
root = %[2]q
[network]
width = 2
[sampler]
patch = [16, 16, 16]
jitter = 4
[inpainter.sampler]
patch = [8, 8, 8]
jitter = 3
[run]
batch = 1
steps = 2
epochs = 1
valid_patches = 1
[predict]
patch = [32, 32, 32]
hop = [32, 32, 32]
pictures = 1
[ablation]
rows = ["111", "000"]
`, filepath.Join(data, "single.csv"), data)), 0o666))
	return config, dir
}

func TestPipelineAndAblation(t *testing.T) {
	config, dir := tinyPipeline(t)
	out := filepath.Join(dir, "run")
	args := []string{"--config", config, "--out", out, "--device", "cpu"}
	with := func(command string, more ...string) []string {
		return append(append([]string{command}, args...), more...)
	}

	plan := clitest.Succeeds(t, with("pipeline", "--dry-run")...)
	require.Contains(t, plan, "segmenter        has not run")
	require.Contains(t, plan, "a step timed now")
	require.NoDirExists(t, out)
	plan = clitest.Succeeds(t, with("pipeline", "--dry-run", "--only", "finetune", "--fold", "0")...)
	require.Contains(t, plan, "finetune/fold_0  after detector/fold_0")
	require.NotContains(t, plan, "has not run", "steps before it are not listed")
	require.NotContains(t, plan, "report")

	status, _, errs := clitest.Run(t, with("pipeline", "--only", "detector", "--fold", "0")...)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "detector/fold_0 needs step segmenter, which is not done")
	clitest.Succeeds(t, with("pipeline", "--only", "segmenter")...)

	table := clitest.Succeeds(t, with("pipeline")...)
	require.Contains(t, table, "ensemble")
	require.Contains(t, table, "difference threshold")
	for _, f := range []string{"index.html", "pipeline.toml", "scores.csv", "predictions/phantom001_new.nii.gz", "finetune/fold_0/progress.png", "pictures/phantom001.png"} {
		require.FileExists(t, filepath.Join(out, f))
	}
	var result map[string]any
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, with("pipeline", "--json")...)), &result))
	require.Contains(t, result, "difference_threshold_sds")

	// A threshold and a least size by the pairs that the member was not trained on.
	chosen := filepath.Join(dir, "chosen.safetensors")
	var best struct {
		Cases int
		Best  struct{ Threshold float64 }
	}
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "weights", "choose", "--truth", filepath.Join(out, "out_of_fold/truth"), "--pred", filepath.Join(out, "out_of_fold/probability"),
		"--in", filepath.Join(out, "finetune/fold_0/checkpoint_best.safetensors"), "--out", chosen, "--json")), &best))
	require.Equal(t, 1, best.Cases, "one of two parts has a member")
	require.Contains(t, clitest.Succeeds(t, "weights", "show", chosen), fmt.Sprint(best.Best.Threshold))

	// The resolved configuration is a configuration, of the same run.
	_, _, errs = clitest.Run(t, "pipeline", "--config", filepath.Join(out, "pipeline.toml"), "--out", out, "--device", "cpu")
	require.Contains(t, errs, "step 10 of 10 is done: report")
	require.NotContains(t, errs, "why=")

	_, text, errs := clitest.Run(t, with("ablate")...)
	require.Contains(t, errs, "is done: finetune/fold_0", "the pipeline's own row")
	require.Contains(t, errs, "rows/000/finetune/fold_0")
	require.Contains(t, text, "Wilcoxon")
	require.Contains(t, strings.Join(strings.Fields(text), " "), "Cases without (empty truth)")
	for _, f := range []string{"ablation.txt", "ablation.csv", "ablation.json"} {
		require.FileExists(t, filepath.Join(out, f))
	}
	require.NotContains(t, text, "0.573", "the paper's figures are not this run's")
}

func TestPipelineMistakes(t *testing.T) {
	config, dir := tinyPipeline(t)
	out := filepath.Join(dir, "run")
	seeds := filepath.Join(dir, "seeds.toml")
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(seeds, append(text, "seeds = [1, 2]\n"...), 0o666))
	for want, args := range map[string][]string{
		"required flag(s) \"config\", \"out\" not set":        {"pipeline"},
		"--fold goes with --only":                             {"pipeline", "--config", config, "--out", out, "--fold", "1"},
		"no step \"detektor\" in this plan; there are segm":   {"pipeline", "--config", config, "--out", out, "--only", "detektor", "--device", "cpu"},
		"--fold -1: the member, from 0":                       {"pipeline", "--config", config, "--out", out, "--only", "detector", "--fold", "-1"},
		"a step alone has none":                               {"pipeline", "--config", config, "--out", out, "--only", "segmenter", "--json"},
		"--seed has no meaning beside ablation.seeds = [1 2]": {"ablate", "--config", seeds, "--out", out, "--seed", "3", "--device", "cpu"},
		"--seed: 9223372036854775808 is too large":            {"pipeline", "--config", config, "--out", out, "--seed", "9223372036854775808", "--device", "cpu"},
		"cannot read the configuration":                       {"ablate", "--config", filepath.Join(dir, "none"), "--out", out},
	} {
		status, _, errs := clitest.Run(t, args...)
		require.NotZero(t, status)
		require.Contains(t, errs, want)
		require.NotContains(t, errs, "goroutine")
	}
	require.NoError(t, os.WriteFile(config, []byte("seed = 1\nsede = 2\n"), 0o666))
	_, _, errs := clitest.Run(t, "pipeline", "--config", config, "--out", out)
	require.Contains(t, errs, config+": line 2: unknown key sede")
}
