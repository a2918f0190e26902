// Package clitest runs command lines in tests as users do: in a process of their own.
package clitest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/root"
	builtin "voxgrad/weights"
)

// A test binary that imports this package is the program itself where this variable is set.
const asProgram = "TEST_AS_VOXGRAD"

// BuiltIn is the variable that names a folder whose weights files the program has built in, in place of its own.
const BuiltIn = "TEST_VOXGRAD_WEIGHTS"

func init() {
	if os.Getenv(asProgram) == "1" {
		if dir := os.Getenv(BuiltIn); dir != "" {
			builtin.Files = os.DirFS(dir)
		}
		os.Exit(root.Run(os.Args[1:]))
	}
}

// Command is a process for one command line, not yet started.
func Command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// Run runs one command line.
func Run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := Command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		require.NoError(t, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// Succeeds runs a command line that must work, and returns its standard output.
func Succeeds(t *testing.T, args ...string) string {
	t.Helper()
	status, out, errs := Run(t, args...)
	require.Zero(t, status, "voxgrad %s\n%s", strings.Join(args, " "), errs)
	return out
}

// folder is where Trained puts what it makes.
var folder = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "voxgrad-cli")
	cli.Must(err)
	return dir
})

// Tiny are the settings of a network that trains in a second.
var Tiny = []string{"--width", "2", "--patch", "16x16x16", "--jitter", "4", "--batch", "1", "--steps", "2", "--epochs", "1", "--valid-patches", "1", "--folds", "2"}

// Trained is a folder with phantoms (data) and tiny networks (seg, det), made once.
func Trained(t *testing.T) string {
	t.Helper()
	dir := folder()
	if _, err := os.Stat(filepath.Join(dir, "ready")); err == nil {
		return dir
	}
	data := filepath.Join(dir, "data")
	Succeeds(t, "phantom", "--out", data, "--count", "2", "--size", "32x32x32", "--seed", "3")
	Succeeds(t, append([]string{"train", "segmenter", "--data", filepath.Join(data, "single.csv"), "--out", filepath.Join(dir, "seg")}, Tiny...)...)
	detector := append([]string{"train", "detector", "--data", data, "--out", filepath.Join(dir, "det"), "--encoder", filepath.Join(dir, "seg/fold_0/checkpoint_best.safetensors")}, Tiny[2:]...)
	Succeeds(t, detector...)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600))
	return dir
}
