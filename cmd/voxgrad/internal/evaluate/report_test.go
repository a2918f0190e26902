package evaluate_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/metrics"
	"voxgrad/volume"
)

func TestEvaluateReport(t *testing.T) {
	dir, truth, pred := evaluationFolder(t)
	scan := volume.New(clitest.MaskGrid)
	for x := range scan.Data {
		scan.Data[x] = float32(50 + x%11)
	}
	for _, name := range []string{"one", "two", "three", "clean"} {
		for _, file := range []string{"flair_time01.nii.gz", "flair_time02.nii.gz", "brainmask.nii.gz"} {
			clitest.WriteImage(t, filepath.Join(dir, "data", name, file), scan)
		}
	}
	page := filepath.Join(dir, "page.html")
	clitest.Succeeds(t, "evaluate", "--truth", truth, "--pred", pred, "--report", page,
		"--flair1", filepath.Join(dir, "data"), "--flair2", filepath.Join(dir, "data"), "--brainmask", filepath.Join(dir, "data"),
		"--probability", pred, "--member", pred, "--member", truth)
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	html := string(b)
	require.Empty(t, clitest.Outside.FindString(html))
	for _, want := range []string{"Lesions of one", "Lesions of clean", "true positive", "2 of 2", "mean prob.", "<svg", "data:image/png", "prefers-color-scheme", "@media print"} {
		require.Contains(t, html, want)
	}
	// one: 2 true lesions; two: 1 and a false alarm; three: 1; clean: 1.
	require.Equal(t, 6*2, strings.Count(html, "<img"))

	clitest.Succeeds(t, "evaluate", "--truth", filepath.Join(truth, "one.nii.gz"), "--pred", filepath.Join(pred, "one.nii.gz"), "--report", page)
	b, err = os.ReadFile(page)
	require.NoError(t, err)
	require.NotContains(t, string(b), "<img")
	require.Contains(t, string(b), "Lesions of one")
}

func TestEvaluateRaters(t *testing.T) {
	for _, layout := range []string{"challenge", "folders"} {
		dir := t.TempDir()
		path := func(rater int, name string) string {
			if layout == "challenge" {
				return filepath.Join(dir, name, fmt.Sprintf("ground_truth_expert%d.nii.gz", rater))
			}
			return filepath.Join(dir, fmt.Sprintf("expert %d", rater), name+".nii.gz")
		}
		for rater := 1; rater <= 3; rater++ {
			clitest.WriteMask(t, path(rater, "one"), []clitest.Block{lesionA, shiftA, lesionA}[rater-1])
			clitest.WriteMask(t, path(rater, "two"), [][]clitest.Block{{lesionB}, {lesionB}, nil}[rater-1]...)
		}
		out := clitest.Succeeds(t, "evaluate", "--raters", dir, "--csv", filepath.Join(dir, "r.csv"), "--report", filepath.Join(dir, "r.html"))
		require.Contains(t, out, "expert 1")
		require.Contains(t, out, "Rater against rater")
		var j struct {
			Against []struct {
				Rater    string
				Measures []metrics.Spread
			} `json:"against_others"`
			Pairs []struct {
				Truth, Prediction string
				Summary           metrics.Summary
			}
		}
		require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "evaluate", "--raters", dir, "--json")), &j))
		require.Len(t, j.Pairs, 6)
		require.Equal(t, "expert 1", j.Against[0].Rater)
		// Case one: 0.75 against expert 2, 1 against 3; case two: 1 against 2, and 3 is no truth.
		require.InDelta(t, (0.875+1)/2, j.Against[0].Measures[0].Mean, 1e-12)
		rows, err := os.ReadFile(filepath.Join(dir, "r.csv"))
		require.NoError(t, err)
		require.Equal(t, 1+6*2, strings.Count(string(rows), "\n"))
		require.FileExists(t, filepath.Join(dir, "r.html"))

		require.NoError(t, os.Remove(path(2, "two")))
		status, _, errs := clitest.Run(t, "evaluate", "--raters", dir)
		require.Equal(t, 1, status)
		require.Contains(t, errs, "there is none by expert 2 of two")
	}
	status, _, errs := clitest.Run(t, "evaluate", "--raters", t.TempDir())
	require.Equal(t, 1, status)
	require.Contains(t, errs, "masks of 0 raters")
}
