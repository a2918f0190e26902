package report_test

import (
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
	"voxgrad/report"
)

func TestReportOfATrainedNetwork(t *testing.T) {
	dir := clitest.Trained(t)
	page := filepath.Join(t.TempDir(), "run.html")
	out := clitest.Succeeds(t, "report", filepath.Join(dir, "seg"), "--out", page)
	require.Contains(t, out, "fold_0")
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	html := string(b)
	require.Empty(t, clitest.Outside.FindString(html))
	for _, want := range []string{"Training run seg", "<svg", "validation Dice", "valid. loss", "trained parameters", "ended by"} {
		require.Contains(t, html, want)
	}
	require.Contains(t, clitest.Succeeds(t, "report", filepath.Join(dir, "seg/fold_0"), "--out", page), "fold_0", "one fold")
}

func TestReportOfFoldsInOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run[1]*")
	table := "epoch,step,train_loss,valid_loss,best,valid_patch_psnr\n1,10,0.5,0.6,true,20\n2,20,0.4,,false,\n3,30,0.3,0.55,true,21.5\n"
	for _, fold := range []string{"fold_10", "fold_9"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, fold), 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, fold, "metrics.csv"), []byte(table), 0o600))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "fold_11"), 0o777)) // no epoch yet
	require.NoError(t, report.WritePNG(filepath.Join(dir, "fold_9", "restored.png"), image.NewRGBA(image.Rect(0, 0, 4, 3))))
	page := filepath.Join(t.TempDir(), "run.html")
	out := clitest.Succeeds(t, "report", dir, "--out", page)
	require.Less(t, strings.Index(out, "fold_9 "), strings.Index(out, "fold_10"))
	require.Contains(t, out, "21.50")
	require.NotContains(t, out, "fold_11")
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Contains(t, string(b), "There is no summary yet")
	require.Equal(t, 1, strings.Count(string(b), "<img"))

	for text, says := range map[string]string{
		"":                                   "the table is empty",
		"a,b\n1,2\n":                         `no column "epoch"`,
		"epoch,train_loss\n2,1\n":            "line 2: epoch is \"2\" where 1 follows",
		"epoch,train_loss\n1,x\n":            "train_loss is \"x\"",
		"epoch,best\n1,maybe\n":              "best is \"maybe\"",
		"epoch,train_loss\n1\n":              "line 2",
		"epoch,train_loss,train_loss\n1,2,3": `"train_loss" is there twice`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "fold_9", "metrics.csv"), []byte(text), 0o600))
		never := filepath.Join(t.TempDir(), "never.html")
		status, out, errs := clitest.Run(t, "report", dir, "--out", never)
		require.Equal(t, 1, status, text)
		require.Empty(t, out)
		require.Contains(t, errs, says)
		require.Contains(t, errs, filepath.Join("fold_9", "metrics.csv"))
		require.NoFileExists(t, never)
	}
	for _, c := range [][]string{{t.TempDir(), "is this the folder of a training run"}, {"absent", "absent"}} {
		status, _, errs := clitest.Run(t, "report", c[0], "--out", page)
		require.Equal(t, 1, status)
		require.Contains(t, errs, c[1])
	}
	status, _, errs := clitest.Run(t, "report", dir)
	require.Equal(t, 2, status, errs)
}
