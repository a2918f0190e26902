package demo_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
)

// A folder with things in it that no demo has made is left alone.
func TestDemoKeepsWhatIsNotItsOwn(t *testing.T) {
	for _, name := range []string{"data/mine.txt", "detector/fold_0/checkpoint_best.safetensors", "pipeline.toml", "demo.toml"} {
		for _, more := range [][]string{nil, {"--resume"}} {
			dir := t.TempDir()
			file := filepath.Join(dir, name)
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o777))
			require.NoError(t, os.WriteFile(file, []byte("mine"), 0o666))
			status, _, errs := clitest.Run(t, append([]string{"demo", "--quick", "--pairs", "5", "--held-out", "1", "--device", "cpu", "--out", dir}, more...)...)
			require.Equal(t, 1, status, name)
			require.Contains(t, errs, "no demo has made it")
			kept, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, "mine", string(kept))
			entries, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, entries, 1)
		}
	}
}

func TestDemoOfADetectorTrainsNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "demo")
	for want, more := range map[string][]string{
		"--quick is for the training demo":        {"--quick"},
		"--held-out -1":                           {"--held-out", "-1"},
		`there is no built-in network "detektor"`: {"--detector", "builtin:detektor"},
	} {
		status, _, errs := clitest.Run(t, append([]string{"demo", "--out", out, "--detector", "builtin:brain"}, more...)...)
		require.NotZero(t, status)
		require.Contains(t, errs, want)
		require.NoDirExists(t, out)
	}
}

func TestDemoIsBounded(t *testing.T) {
	out := filepath.Join(t.TempDir(), "demo")
	for _, flag := range []string{"--pairs", "--held-out"} {
		status, _, errs := clitest.Run(t, "demo", "--out", out, flag, "1000000000")
		require.Equal(t, 2, status)
		require.Contains(t, errs, "at most 100000 each")
		require.NoDirExists(t, out)
	}
}
