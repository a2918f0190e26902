package compare_test

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
)

// methodFolders has eight cases: A hits each lesion, B more and more beside it.
func methodFolders(t *testing.T) (truth, a, b string) {
	dir := t.TempDir()
	truth, a, b = filepath.Join(dir, "truth"), filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for n := range 8 {
		name := fmt.Sprintf("case%d.nii.gz", n)
		long := clitest.Box([3]int{1, 2, 2}, [3]int{8, 2, 2})
		moved := long
		moved.At[0] += n % 7
		moved.Size[1] += n / 7
		clitest.WriteMask(t, filepath.Join(truth, name), long)
		clitest.WriteMask(t, filepath.Join(a, name), long)
		moved.At[1]++ // always beside it by a row
		clitest.WriteMask(t, filepath.Join(b, name), moved)
	}
	clitest.WriteMask(t, filepath.Join(truth, "clean.nii.gz"))
	clitest.WriteMask(t, filepath.Join(a, "clean.nii.gz"))
	clitest.WriteMask(t, filepath.Join(b, "clean.nii.gz"), clitest.Box([3]int{12, 1, 1}, [3]int{2, 2, 2}))
	return truth, a, b
}

func TestCompareMethods(t *testing.T) {
	truth, a, b := methodFolders(t)
	page, table := filepath.Join(t.TempDir(), "c.html"), filepath.Join(t.TempDir(), "c.csv")
	out := clitest.Succeeds(t, "compare", a, b, "--truth", truth, "--report", page, "--csv", table)
	require.Contains(t, out, "a against b")
	require.Contains(t, out, "p (Holm)")
	require.Contains(t, strings.Join(strings.Fields(out), " "), metrics.Rule)
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Empty(t, clitest.Outside.FindString(string(html)))
	require.Contains(t, string(html), "<svg")
	rows, err := os.ReadFile(table)
	require.NoError(t, err)
	require.Equal(t, 1+2*9, strings.Count(string(rows), "\n"))

	var j struct {
		A, B        string
		Comparisons []struct {
			Key                       string
			N                         int
			Mean_a, Mean_b, P, P_holm *float64
			Difference                *float64
			Exact                     bool
		}
		Cases     []struct{ Case string }
		Summary_a metrics.Summary
	}
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "compare", a, b, "--truth", truth, "--json")), &j))
	require.Equal(t, []string{"a", "b"}, []string{j.A, j.B})
	require.Len(t, j.Cases, 9)
	require.Len(t, j.Comparisons, 6)
	dice := j.Comparisons[0]
	require.Equal(t, "dice", dice.Key)
	require.Equal(t, 8, dice.N)
	require.Equal(t, 1.0, *dice.Mean_a)
	require.InDelta(t, *dice.Mean_a-*dice.Mean_b, *dice.Difference, 1e-12)
	require.True(t, dice.Exact)
	require.Equal(t, 2.0/256, *dice.P, "all eight differences are positive")
	require.LessOrEqual(t, *dice.P, *dice.P_holm)
	require.Equal(t, "tested_volume", j.Comparisons[5].Key)
	require.Equal(t, 1, j.Comparisons[5].N)

	// One measure alone is not corrected.
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "compare", a, b, "--truth", truth, "--json", "--measures", "dice")), &j))
	require.Len(t, j.Comparisons, 1)
	require.Equal(t, *j.Comparisons[0].P, *j.Comparisons[0].P_holm)
	require.Contains(t, clitest.Succeeds(t, "compare", a, b, "--truth", truth, "--measures", "dice"), "0.0078  **")

	// Single masks, whatever they are called.
	one := clitest.Succeeds(t, "compare", filepath.Join(a, "case1.nii.gz"), filepath.Join(b, "case2.nii.gz"), "--truth", filepath.Join(truth, "case1.nii.gz"))
	require.Contains(t, one, "case1 against case2")
	require.Contains(t, one, "no difference, however large")
}

func TestCompareRefuses(t *testing.T) {
	truth, a, b := methodFolders(t)
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{2, "two methods", []string{a, "--truth", truth}},
		{2, "truth", []string{a, b}},
		{2, `there is no "f1"`, []string{a, b, "--truth", truth, "--measures", "dice,f1"}},
		{2, "gamma", []string{a, b, "--truth", truth, "--gamma", "7"}},
		{1, "absent", []string{a, "absent", "--truth", truth}},
		{1, "is a file and", []string{a, filepath.Join(b, "case1.nii.gz"), "--truth", truth}},
	} {
		status, out, errs := clitest.Run(t, append([]string{"compare"}, c.args...)...)
		require.Equal(t, c.status, status, "%v\n%s", c.args, errs)
		require.Contains(t, errs, c.says)
		require.Empty(t, out)
	}
	require.NoError(t, os.Remove(filepath.Join(b, "case3.nii.gz")))
	status, _, errs := clitest.Run(t, "compare", a, b, "--truth", truth)
	require.Equal(t, 1, status)
	require.Contains(t, errs, "no prediction in "+b+" for case3")
}
