package evaluate_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/metrics"
	"voxgrad/volume"
)

var (
	lesionA = clitest.Box([3]int{2, 2, 2}, [3]int{4, 3, 2})  // 24 voxels
	lesionB = clitest.Box([3]int{9, 8, 5}, [3]int{3, 3, 3})  // 27
	shiftA  = clitest.Box([3]int{3, 2, 2}, [3]int{4, 3, 2})  // covers 18 of lesionA
	alarm   = clitest.Box([3]int{12, 1, 1}, [3]int{2, 2, 2}) // 8
	speck   = clitest.Box([3]int{14, 12, 8}, [3]int{1, 1, 1})
)

// evaluationFolder has four cases of which the last has no lesions, and scans.
func evaluationFolder(t *testing.T) (dir, truth, pred string) {
	dir = t.TempDir()
	truth, pred = filepath.Join(dir, "truth"), filepath.Join(dir, "pred")
	clitest.WriteMask(t, filepath.Join(truth, "one.nii.gz"), lesionA, lesionB)
	clitest.WriteMask(t, filepath.Join(pred, "one.nii.gz"), shiftA, lesionB)
	clitest.WriteMask(t, filepath.Join(truth, "two.nii"), lesionA)
	clitest.WriteMask(t, filepath.Join(pred, "two.nii.gz"), shiftA, alarm)
	clitest.WriteMask(t, filepath.Join(truth, "three.nii.gz"), lesionB)
	clitest.WriteMask(t, filepath.Join(pred, "three.nii.gz"))
	clitest.WriteMask(t, filepath.Join(truth, "clean.nii.gz"))
	clitest.WriteMask(t, filepath.Join(pred, "clean.nii.gz"), alarm, speck)
	return dir, truth, pred
}

func jsonKeys(t *testing.T, args ...string) map[string]*float64 {
	t.Helper()
	var m map[string]*float64
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, append([]string{"evaluate", "--json"}, args...)...)), &m))
	return m
}

func TestEvaluatePairAsJSON(t *testing.T) {
	dir := t.TempDir()
	truth := clitest.WriteMask(t, filepath.Join(dir, "truth.nii.gz"), lesionA, lesionB)
	pred := clitest.WriteMask(t, filepath.Join(dir, "pred.nii.gz"), shiftA, speck)
	none := clitest.WriteMask(t, filepath.Join(dir, "none.nii.gz"))

	m := jsonKeys(t, "--truth", truth, "--pred", pred)
	for _, key := range metrics.Keys() {
		if strings.HasPrefix(key, "tested_") {
			require.NotContains(t, m, key)
			continue
		}
		require.NotNil(t, m[key], key)
	}
	require.Len(t, m, 15)
	require.InDelta(t, 2*18.0/(51+25), *m["dice"], 1e-15)
	require.Equal(t, 0.5, *m["lesion_sensitivity"])
	require.Equal(t, 1.0, *m["lesion_ppv"])
	require.Equal(t, 2.0, *m["truth_lesions"])
	require.Equal(t, 1.0, *m["pred_lesions"], "a voxel of 1 mm³ is no lesion")

	quirks := jsonKeys(t, "--truth", truth, "--pred", pred, "--anima-quirks")
	require.Less(t, *quirks["average_surface_distance"], *m["average_surface_distance"]/2)
	delete(quirks, "average_surface_distance")
	delete(m, "average_surface_distance")
	require.Equal(t, m, quirks)

	m = jsonKeys(t, "--truth", truth, "--pred", none)
	require.Len(t, m, 15)
	require.Nil(t, m["ppv"])
	require.Nil(t, m["hausdorff"])
	require.Equal(t, 0.0, *m["lesion_ppv"])

	m = jsonKeys(t, "--truth", none, "--pred", pred)
	require.Equal(t, 1.0, *m["tested_lesions"])
	require.Equal(t, 24.0, *m["tested_volume"])
	require.NotContains(t, m, "jaccard")
	require.NotContains(t, m, "hausdorff")
	require.Contains(t, clitest.Succeeds(t, "evaluate", "--truth", none, "--pred", pred), "Nothing is marked in the truth")

	m = jsonKeys(t, "--truth", truth, "--pred", pred, "--min-lesion-mm3", "0.5")
	require.Equal(t, 2.0, *m["pred_lesions"])
	m = jsonKeys(t, "--truth", truth, "--pred", pred, "--alpha", "0.75")
	require.Equal(t, 0.0, *m["lesion_sensitivity"], "exactly three quarters are covered: not more")
}

// The numbers of the challenge's tool come out of the command line, too.
func TestEvaluateReproducesTheTool(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "..", "metrics", "testdata", "vectors")
	b, err := os.ReadFile(filepath.Join(dir, "vectors.json"))
	require.NoError(t, err)
	var file struct {
		Cases []struct {
			Name, GT, Pred string
			Runs           []struct {
				Options []string
				Full    map[string]map[string]*float64
			}
		}
	}
	require.NoError(t, json.Unmarshal(b, &file))
	keys := map[string]string{"Dice": "dice", "SensL": "lesion_sensitivity", "PPVL": "lesion_ppv", "F1_score": "lesion_f1",
		"HausdorffDistance": "hausdorff", "SurfaceDistance": "average_surface_distance", "NbTestedLesions": "tested_lesions", "VolTestedLesions": "tested_volume"}
	flags := map[string]string{"-v": "--min-lesion-mm3", "-x": "--alpha", "-y": "--beta", "-z": "--gamma"}
	checked := 0
	for n, c := range file.Cases {
		if n%4 != 0 {
			continue
		}
		run := c.Runs[len(c.Runs)-1]
		args := []string{"--truth", filepath.Join(dir, c.GT), "--pred", filepath.Join(dir, c.Pred), "--anima-quirks"}
		for i, o := range run.Options {
			if flags[o] != "" {
				args = append(args, flags[o], run.Options[i+1])
			}
		}
		got := jsonKeys(t, args...)
		for name, want := range run.Full["global"] {
			key := keys[name]
			switch {
			case key == "":
			case want == nil:
				require.Nil(t, got[key], "%s %s", c.Name, key)
			default:
				require.InDelta(t, *want, *got[key], 1e-9*max(1, math.Abs(*want)), "%s %s", c.Name, key)
				checked++
			}
		}
	}
	require.Greater(t, checked, 20)
}

func TestEvaluateFolders(t *testing.T) {
	dir, truth, pred := evaluationFolder(t)
	table := filepath.Join(dir, "scores.csv")
	out := clitest.Succeeds(t, "evaluate", "--truth", truth, "--pred", pred, "--csv", table)
	for _, want := range []string{"mean of 3", "95 % interval", "3 cases with lesions, 1 without.", "false lesions", "Distances between surfaces"} {
		require.Contains(t, out, want)
	}
	require.Contains(t, strings.Join(strings.Fields(out), " "), metrics.Rule)

	f, err := os.Open(table)
	require.NoError(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	require.Equal(t, append([]string{"case"}, metrics.Keys()...), rows[0])
	require.Len(t, rows, 5)
	at := func(row int, key string) string {
		for n, k := range rows[0] {
			if k == key {
				return rows[row][n]
			}
		}
		return "?"
	}
	require.Equal(t, []string{"clean", "one", "three", "two"}, []string{rows[1][0], rows[2][0], rows[3][0], rows[4][0]})
	require.Equal(t, "", at(1, "jaccard"), "does not belong to the case")
	require.Equal(t, "nan", at(1, "dice"))
	require.Equal(t, "1", at(1, "tested_lesions"))
	require.Equal(t, "nan", at(3, "hausdorff"))
	require.Equal(t, fmt.Sprint(2*18.0/(24+32)), at(4, "dice"))

	var j struct {
		Cases   []struct{ Case string }
		Summary metrics.Summary
	}
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "evaluate", "--truth", truth, "--pred", pred, "--json")), &j))
	require.Len(t, j.Cases, 4)
	require.Equal(t, 3, j.Summary.With)
	require.Equal(t, metrics.Rule, j.Summary.Rule)
	dice, ok := j.Summary.Measure("dice")
	require.True(t, ok)
	require.True(t, dice.Low <= dice.Mean && dice.Mean <= dice.High)

	// What has no partner is one error, on both sides.
	require.NoError(t, os.Rename(filepath.Join(pred, "one.nii.gz"), filepath.Join(pred, "One.nii.gz")))
	require.NoError(t, os.Remove(filepath.Join(truth, "three.nii.gz")))
	status, _, errs := clitest.Run(t, "evaluate", "--truth", truth, "--pred", pred, "--csv", filepath.Join(dir, "never.csv"))
	require.Equal(t, 1, status)
	require.Contains(t, errs, "no truth in "+truth+" for One, three")
	require.Contains(t, errs, "no prediction in "+pred+" for one")
	require.NoFileExists(t, filepath.Join(dir, "never.csv"))
}

func TestEvaluateUsage(t *testing.T) {
	dir, truth, pred := evaluationFolder(t)
	page := filepath.Join(dir, "page.html")
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{2, "truth", nil},
		{2, `"pred" not set`, []string{"--truth", truth}},
		{2, `"truth" not set`, []string{"--pred", pred}},
		{2, "exclude each other", []string{"--truth", truth, "--pairs", "x.csv"}},
		{2, "exclude each other", []string{"--raters", dir, "--pairs", "x.csv"}},
		{2, "a table has a column for it", []string{"--pairs", "x.csv", "--flair2", "x", "--report", page}},
		{2, "needs --report", []string{"--truth", truth, "--pred", pred, "--flair2", truth}},
		{2, "--flair1 needs --flair2", []string{"--truth", truth, "--pred", pred, "--flair1", truth, "--report", page}},
		{2, "--figures -3", []string{"--truth", truth, "--pred", pred, "--report", page, "--figures", "-3"}},
		{2, "beta is 0", []string{"--truth", truth, "--pred", pred, "--beta", "0"}},
		{2, "0 or more", []string{"--truth", truth, "--pred", pred, "--min-lesion-mm3", "-1"}},
		{1, "is a file and", []string{"--truth", truth, "--pred", filepath.Join(pred, "one.nii.gz")}},
		{1, "no truth in it", []string{"--truth", dir, "--pred", pred}},
		{1, "no second scan", []string{"--truth", truth, "--pred", pred, "--flair2", dir, "--report", page}},
		{1, "absent", []string{"--truth", filepath.Join(dir, "absent"), "--pred", pred}},
		{1, "no/page.html", []string{"--truth", truth, "--pred", pred, "--report", filepath.Join(dir, "no/page.html")}},
	} {
		status, out, errs := clitest.Run(t, append([]string{"evaluate"}, c.args...)...)
		require.Equal(t, c.status, status, "%v\n%s", c.args, errs)
		require.Contains(t, errs, c.says)
		require.Empty(t, out)
		require.NoFileExists(t, page)
	}
}

// What the pipeline writes is scored as it is, and a prediction stored with other axes
// is the same prediction.
func TestEvaluateReadsWhatTheProgramWrites(t *testing.T) {
	dir, truth, pred := evaluationFolder(t)
	want := clitest.Succeeds(t, "evaluate", "--truth", truth, "--pred", pred, "--json")
	written := filepath.Join(dir, "predictions")
	for _, name := range []string{"one", "two", "three", "clean"} {
		v, err := volume.Read(filepath.Join(pred, name+".nii.gz"))
		require.NoError(t, err)
		clitest.WriteImage(t, filepath.Join(written, name+"_new.nii.gz"), volume.FromCanonical(v, flipped))
		for x, m := range v.Data {
			v.Data[x] = 0.25 + 0.5*m
		}
		clitest.WriteImage(t, filepath.Join(written, name+"_probability.nii.gz"), v)
	}
	require.NoError(t, os.WriteFile(filepath.Join(written, "plans.json"), nil, 0o600))
	page := filepath.Join(dir, "scores.html")
	status, out, errs := clitest.Run(t, "evaluate", "--truth", truth, "--pred", written, "--probability", written, "--member", written, "--report", page, "--json")
	require.Zero(t, status, errs)
	require.JSONEq(t, want, out)
	require.Contains(t, errs, "4 files (a map of probabilities)")
	require.Contains(t, errs, "plans.json")
	require.FileExists(t, page)
	require.Contains(t, clitest.Succeeds(t, "compare", pred, written, "--truth", truth), "against predictions")

	status, _, errs = clitest.Run(t, "compare", pred, filepath.Join(written, "../pred"), "--truth", truth)
	require.Equal(t, 2, status)
	require.Contains(t, errs, "A and B are the same")
	_, _, errs = clitest.Run(t, "evaluate", "--truth", truth, "--pred", truth)
	require.Contains(t, errs, "the prediction is the truth itself")

	// A map of probabilities is a mask only where an option says above what.
	file := filepath.Join(written, "one_probability.nii.gz")
	require.Equal(t, jsonKeys(t, "--truth", filepath.Join(truth, "one.nii.gz"), "--pred", filepath.Join(pred, "one.nii.gz")),
		jsonKeys(t, "--truth", filepath.Join(truth, "one.nii.gz"), "--pred", file, "--threshold", "0.5"))
	status, _, errs = clitest.Run(t, "evaluate", "--truth", filepath.Join(truth, "one.nii.gz"), "--pred", file)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "a map of probabilities?")
	status, _, errs = clitest.Run(t, "evaluate", "--truth", truth, "--pred", pred, "--labels", "--threshold", "1")
	require.Equal(t, 2, status)
	require.Contains(t, errs, "exclude each other")
	for _, bad := range []string{"NaN", "Inf", "-Inf", "1e999"} {
		for _, flag := range []string{"--threshold", "--truth-threshold"} {
			status, _, errs = clitest.Run(t, "evaluate", "--truth", truth, "--pred", pred, flag, bad)
			require.Equal(t, 2, status)
			require.Contains(t, errs, "is not a number")
		}
	}
}

// flipped has the voxels of clitest.MaskGrid from the other end of two axes.
var flipped = volume.Grid{Size: clitest.MaskGrid.Size, Affine: volume.Affine{
	{-1, 0, 0, float64(clitest.MaskGrid.Size[0] - 1)}, {0, 1, 0, 0}, {0, 0, -1, float64(clitest.MaskGrid.Size[2] - 1)}}}
