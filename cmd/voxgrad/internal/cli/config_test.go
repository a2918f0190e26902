package cli

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"voxgrad/internal/settings"
)

type testConfig struct {
	LearningRate float64  `toml:"learning_rate" comment:"step size"`
	Patch        [3]int   `toml:"patch"`
	Members      []string `toml:"members"`
	Sampler      struct {
		Jitter int    `toml:"jitter"`
		Seed   uint64 `toml:"seed"`
	} `toml:"sampler"`
	Other struct {
		Seed uint64 `toml:"seed"`
	} `toml:"other"`
	Quiet bool `toml:"quiet"`
}

func (c *testConfig) ParseTOML(text []byte) error {
	return settings.Decode(text, c)
}

func (c *testConfig) TOML() ([]byte, error) { return settings.Encode(c) }

// parse runs a command line against a fresh configuration.
func parse(t *testing.T, args ...string) (testConfig, error) {
	t.Helper()
	cfg := testConfig{LearningRate: 1e-4, Patch: [3]int{64, 64, 64}}
	cmd := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true}
	s := BindSettings(cmd, &cfg, map[string]string{"members": "models"})
	cmd.RunE = func(*cobra.Command, []string) error { return s.Resolve() }
	cmd.SetArgs(args)
	err := cmd.Execute()
	return cfg, err
}

func write(t *testing.T, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "c.toml")
	require.NoError(t, os.WriteFile(p, []byte(text), 0o600))
	return p
}

func TestSettingsPrecedence(t *testing.T) {
	file := write(t, "learning_rate = 0.5\nquiet = true\npatch = [32, 16, 8]\nmembers = ['a', 'b']\n[sampler]\njitter = 3\nseed = 9\n")

	cfg, err := parse(t)
	require.NoError(t, err)
	require.Equal(t, 1e-4, cfg.LearningRate)

	cfg, err = parse(t, "--config", file)
	require.NoError(t, err)
	require.Equal(t, 0.5, cfg.LearningRate)
	require.Equal(t, [3]int{32, 16, 8}, cfg.Patch)
	require.Equal(t, []string{"a", "b"}, cfg.Members)
	require.Equal(t, 3, cfg.Sampler.Jitter)

	t.Setenv("VOXGRAD_LEARNING_RATE", "0.25")
	t.Setenv("VOXGRAD_JITTER", "7")
	cfg, err = parse(t, "--config", file)
	require.NoError(t, err)
	require.Equal(t, 0.25, cfg.LearningRate)
	require.Equal(t, 7, cfg.Sampler.Jitter)

	cfg, err = parse(t, "--config", file, "--learning-rate", "0.125", "--patch", "24", "--models", "c", "--other-seed", "5", "--quiet=false")
	require.NoError(t, err)
	require.Equal(t, 0.125, cfg.LearningRate)
	require.Equal(t, [3]int{24, 24, 24}, cfg.Patch)
	require.Equal(t, []string{"c"}, cfg.Members)
	require.False(t, cfg.Quiet)
	require.EqualValues(t, 5, cfg.Other.Seed)
	require.EqualValues(t, 9, cfg.Sampler.Seed, "what no flag names stays as the file says")
}

func TestUnknownVariablesAreWarnedOf(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Setenv("VOXGRAD_JITTER", "7")
	_, err := parse(t)
	require.NoError(t, err)
	require.Empty(t, log.String())
	t.Setenv("VOXGRAD_JITER", "7")
	_, err = parse(t)
	require.NoError(t, err)
	require.Contains(t, log.String(), "VOXGRAD_JITER")
	require.Equal(t, 1, strings.Count(log.String(), "WARN"))
}

func TestSettingsRefuse(t *testing.T) {
	_, err := parse(t, "--config", write(t, "learning_rate = 1\n\nlerning_rate = 2\n"))
	require.ErrorContains(t, err, "c.toml")

	_, err = parse(t, "--config", write(t, "learning_rate = 'fast'\n"))
	require.ErrorContains(t, err, "c.toml")

	_, err = parse(t, "--config", filepath.Join(t.TempDir(), "absent.toml"))
	require.ErrorContains(t, err, "absent.toml")

	for _, patch := range []string{"64x64", "0x1x1", "axbxc", "64x64x64x64", ""} {
		_, err = parse(t, "--patch", patch)
		require.ErrorContains(t, err, "64x64x64", patch)
	}
	t.Setenv("VOXGRAD_JITTER", "many")
	_, err = parse(t)
	require.ErrorContains(t, err, "VOXGRAD_JITTER")
}

// Printed settings are a file that results in them, and nothing else is needed or done.
func TestPrintConfig(t *testing.T) {
	show := func(args ...string) string {
		cfg := testConfig{LearningRate: 1e-4, Patch: [3]int{64, 64, 64}, Members: []string{}}
		cmd := &cobra.Command{Use: "x", SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error { return errors.New("it ran") }}
		BindSettings(cmd, &cfg, nil)
		cmd.Flags().String("out", "", "")
		require.NoError(t, cmd.MarkFlagRequired("out"))
		cmd.SetArgs(args)
		r, w, err := os.Pipe()
		require.NoError(t, err)
		before := os.Stdout
		os.Stdout = w
		err = cmd.Execute()
		os.Stdout = before
		require.NoError(t, w.Close())
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		return string(text)
	}
	text := show("--print-config", "--patch", "8x16x24", "--config", write(t, "[other]\nseed = 7\n"))
	require.Contains(t, text, "# step size\nlearning_rate = 0.0001\n")
	require.Contains(t, text, "patch = [8, 16, 24]")
	require.Contains(t, text, "[other]\nseed = 7")
	require.Equal(t, text, show("--config", write(t, text), "--print-config"))
}
