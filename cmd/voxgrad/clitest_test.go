package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// voxgrad runs one command line.
func voxgrad(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "VOXGRAD_AS_PROGRAM=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// succeeds runs a command line that must work, and returns its standard output.
func succeeds(t *testing.T, args ...string) string {
	t.Helper()
	status, out, errs := voxgrad(t, args...)
	require.Zero(t, status, "voxgrad %s\n%s", strings.Join(args, " "), errs)
	return out
}

// trained is a folder with phantoms and tiny networks, made once.
var trained = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "voxgrad-cli")
	must(err)
	return dir
})

// tiny are the settings of a network that trains in a second.
var tiny = []string{"--width", "2", "--patch", "16x16x16", "--jitter", "4", "--batch", "1", "--steps", "2", "--epochs", "1", "--valid-patches", "1", "--folds", "2"}

func setup(t *testing.T) string {
	t.Helper()
	dir := trained()
	if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
		return dir
	}
	data := filepath.Join(dir, "data")
	succeeds(t, "phantom", "--out", data, "--count", "2", "--size", "32x32x32", "--seed", "3")
	succeeds(t, append([]string{"train", "segmenter", "--data", filepath.Join(data, "single.csv"), "--out", filepath.Join(dir, "seg")}, tiny...)...)
	detector := append([]string{"train", "detector", "--data", data, "--out", filepath.Join(dir, "det"), "--encoder", filepath.Join(dir, "seg/fold_0/checkpoint_best.safetensors")}, tiny[2:]...)
	succeeds(t, detector...)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600))
	return dir
}
