package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/train"
	"voxgrad/volume"
)

func TestChoicesByPatientsLeftOut(t *testing.T) {
	dir := t.TempDir()
	write := func(way, set, patient string, dice ...train.Number) { // at 0.3, 0.5 and 0.7
		s := scored{Set: set, Name: patient}
		for i, d := range dice {
			s.Points = append(s.Points, point{Threshold: []float64{0.3, 0.5, 0.7}[i], LeastMM3: tabled, Dice: d, F1: d / 2, False: i})
		}
		text, err := json.Marshal([]scored{s})
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, way), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, way, patient+".json"), text, 0o666))
	}
	write("both", "known", "a", 0.9, 0.5, 0.1)
	write("both", "known", "b", 0.2, 0.3, 0.4)
	write("both", "known", "c", 0.2, 0.4, 0.5)
	write("both", "other", "d", 0.1, 0.2, 0.9)
	write("real", "known", "a", 0.5, 0.6, 0.1)
	write("real", "known", "b", 0.5, 0.2, 0.1)
	write("real", "known", "c", 0.5, 0.7, 0.1)
	write("real", "other", "d", 0.1, 0.5, 0.3)
	choices, err := readChoices(dir)
	require.NoError(t, err)
	require.Len(t, choices, 2)
	var at []float64
	for _, p := range choices[0].chosen("known") {
		at = append(at, p.Threshold)
	}
	require.Equal(t, []float64{0.7, 0.3, 0.3, 0.3}, at, "neither a patient nor another set has a say in a patient's threshold")
	var out bytes.Buffer
	require.NoError(t, writeChoices(&out, choices, "both", "known"))
	require.Regexp(t, `(?m)^both +3 +0\.400 +0\.200 +1\.0 +0\.000 +0\.000 +0 +0\.167 +0\.083 +0\.3, 3 mm³$`, out.String())
	// 0.1, -0.1 and 0.3 better: mean 0.1, standard deviation 0.2, of three patients.
	require.Regexp(t, `(?m)^real +3 +0\.500 +0\.250 +1\.0 +0\.100 +0\.115 +2 +`, out.String())
	require.Regexp(t, `(?m)^real +1 +0\.500 +0\.250 +1\.0 +0\.300 +– +1 +`, out.String(), "of one patient there is no standard error")
	require.Regexp(t, `(?m)^c +0\.400 +0\.700$`, out.String())

	require.ErrorContains(t, writeChoices(&out, choices, "label", "known"), "--beside label: there are no scores of it")
	require.ErrorContains(t, writeChoices(&out, choices, "both", "new"), "--of new: there is no patient of it")
	write("label", "known", "a", 0.5, 0.6, 0.1)
	_, err = readChoices(dir)
	require.ErrorContains(t, err, "each is needed once")
	for message, dice := range map[string][]train.Number{"other thresholds": {0.1, 0.2}, "has no scores": {}, "nothing is marked": {0.1, undefined, 0.2}} {
		write("label", "known", "b", dice...)
		_, err = readChoices(dir)
		require.ErrorContains(t, err, message)
		require.ErrorContains(t, err, "b.json")
	}
	_, err = readChoices(t.TempDir())
	require.ErrorContains(t, err, "no scores")
}

func TestScoresOfATableOfCases(t *testing.T) {
	dir := t.TempDir()
	m := volume.NewMask(volume.Grid{Size: [3]int{2, 2, 2}, Affine: volume.Identity})
	for _, f := range []string{"flair.nii.gz", "mask.nii.gz"} {
		require.NoError(t, volume.WriteMask(filepath.Join(dir, f), m))
	}
	file := filepath.Join(dir, "scans.csv")
	require.NoError(t, os.WriteFile(file, []byte("case,flair,mask,brainmask\nx,flair.nii.gz,mask.nii.gz,\n"), 0o666))
	list, err := subjects(file, false)
	require.NoError(t, err)
	require.Equal(t, []subject{{Set: "scans", Name: "x", times: []string{filepath.Join(dir, "flair.nii.gz")}, truth: filepath.Join(dir, "mask.nii.gz")}}, list)
	_, err = subjects(file, true)
	require.ErrorContains(t, err, "case x has 1 scans and 1 masks; 2 and 1 are needed")
	require.NoError(t, os.WriteFile(file, []byte("case,flair,mask\nx,flair.nii.gz,gone.nii.gz\n"), 0o666))
	_, err = subjects(file, false)
	require.ErrorContains(t, err, "gone.nii.gz is missing")
}
