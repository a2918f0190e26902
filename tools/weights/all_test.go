package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
	"voxgrad/weights"
)

// oracle writes a script in the program's place that finds what is marked, but in one scan twice, where it finds it all the same: all of that is
// false. It counts its calls.
func oracle(t *testing.T, truth, prob, calls string) string {
	path := filepath.Join(t.TempDir(), "voxgrad")
	script := fmt.Sprintf("#!/bin/sh\necho x >> %s\nwhile [ $# -gt 1 ]; do\n case $1 in\n --out) cp %s $2 ;;\n --prob) cp %s $2 ;;\n esac\n shift\ndone\n", calls, truth, prob)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o777))
	return path
}

func TestAllFiguresOfTheBuiltInNetworks(t *testing.T) {
	for _, n := range []string{weights.Detector} {
		if _, err := weights.Members(n); err != nil {
			t.Skip(err)
		}
	}
	data, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	g := volume.Grid{Size: [3]int{24, 24, 24}, Affine: volume.Identity}
	scan, brain, truth := volume.New(g), volume.NewMask(g), volume.NewMask(g)
	for i := range scan.Data {
		x, y, z := i%24, i/24%24, i/576
		if x >= 2 && x < 22 && y >= 2 && y < 22 && z >= 2 && z < 22 {
			scan.Data[i], brain.Data[i] = 100+float32(i%7), true
		}
		truth.Data[i] = x >= 8 && x < 13 && y >= 8 && y < 13 && z >= 8 && z < 11
	}
	write := func(dir string, files ...string) {
		require.NoError(t, os.MkdirAll(dir, 0o777))
		for _, f := range files {
			path := filepath.Join(dir, f)
			switch {
			case strings.HasPrefix(f, "flair"), f == "change_kind.nii.gz":
				require.NoError(t, volume.Write(path, scan, volume.Float32))
			case strings.HasPrefix(f, "brain"):
				require.NoError(t, volume.WriteMask(path, brain))
			default:
				require.NoError(t, volume.WriteMask(path, truth))
			}
		}
	}
	write(filepath.Join(data, "longitudinal/patient1"), "flair_time01.nii.gz", "flair_time02.nii.gz", "brainmask.nii.gz", "new_lesions.nii.gz", "change_kind.nii.gz")
	for _, dir := range []string{"thick_slices/7", aside, "cross_sectional/patient2"} {
		write(filepath.Join(data, dir), "flair.nii.gz", "brainmask.nii.gz", "lesions.nii.gz")
	}
	calls := filepath.Join(data, "calls")
	prob := filepath.Join(data, "prob.nii.gz")
	require.NoError(t, volume.Write(prob, truth.Volume(), volume.Float32))
	program := oracle(t, filepath.Join(data, "thick_slices/7/lesions.nii.gz"), prob, calls)
	count := func() int {
		text, err := os.ReadFile(calls)
		require.NoError(t, err)
		return strings.Count(string(text), "x")
	}
	args := []string{"--data", data, "--voxgrad", program, "--out", out, "--robust=false"}
	want := 6 // the pair; its visits and the three scans twice
	if _, err := weights.Members(weights.Segmenter); err == nil {
		want += 2 // the scan aside and the other scanner's
	}
	require.NoError(t, all(append(args, "--only", "/patient1")))
	require.Equal(t, 3, count())
	text, err := os.ReadFile(filepath.Join(out, "builtin.md"))
	require.NoError(t, err)
	require.Contains(t, string(text), fmt.Sprintf("\n%d of %d have not been run.\n", want-3, want))
	require.NoError(t, all(args))
	require.Equal(t, want, count())
	text, err = os.ReadFile(filepath.Join(out, "builtin.md"))
	require.NoError(t, err)
	require.NotContains(t, string(text), "not been run")
	require.Contains(t, string(text), "| longitudinal/patient1 | built in | 1.000 | 1.000 | 1.000 | 1.000 | 1.000 | 1 of 1 | 0 |")
	require.Contains(t, string(text), "difference,")
	require.Contains(t, string(text), "| up to 100 | 1 | 1 |")
	require.Contains(t, string(text), "| longitudinal/patient1 visit 2 | 1 |", "nothing is new in one scan twice")
	require.Contains(t, string(text), "| mean | 1.0 |\n| cross_sectional/patient2 | 1 |\n| thick_slices/7 | 1 |\n| mean of those that lesions were drawn into in training | 1.0 |")
	require.Contains(t, string(text), "![The best: patient1, Dice 1.000](builtin-detector-patient1.jpg)")
	require.Contains(t, string(text), "Neuroinformatics 2016, CC-BY")
	require.NotContains(t, string(text), "The worst: patient1", "it is the best")
	require.FileExists(t, filepath.Join(out, "builtin-detector-patient1.jpg"))

	// It goes on where it stopped, and never with another program's scores.
	require.NoError(t, all(args))
	require.Equal(t, want, count())
	f, err := os.OpenFile(program, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString("# another build\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.ErrorContains(t, all(args), "another build of the program")

	// With the changes each has its row, and no segmenter is scored by what it was trained on.
	list, err := tasks(data, []string{weights.Detector, weights.Segmenter}, true)
	require.NoError(t, err)
	require.Len(t, list, len(changes(true))+5+2*len(changes(false)))
	for _, k := range list {
		require.False(t, k.network == weights.Segmenter && trainedOn(weights.Segmenter, k.Set, k.Name))
	}

	// What the program refuses is told, and is no score; one that is killed stops it all.
	program = filepath.Join(t.TempDir(), "voxgrad")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho level=INFO registered\necho no brain found >&2\nexit 1\n"), 0o777))
	args = []string{"--data", data, "--voxgrad", program, "--out", t.TempDir(), "--robust=false"}
	require.NoError(t, all(args))
	text, err = os.ReadFile(filepath.Join(args[5], "builtin.md"))
	require.NoError(t, err)
	require.Contains(t, string(text), "\ndetector longitudinal/patient1: no answer: no brain found\n")
	require.NotContains(t, string(text), "| mean")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nkill -9 $$\n"), 0o777))
	args[5] = t.TempDir()
	require.ErrorContains(t, all(args), "killed")
	require.ErrorContains(t, all(nil), "--data and --out")
}
