package evaluate_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/cmd/voxgrad/internal/clitest"
)

func TestEvaluateTableOfPairs(t *testing.T) {
	dir, _, _ := evaluationFolder(t)
	table := filepath.Join(dir, "pairs.csv")
	require.NoError(t, os.WriteFile(table, []byte("\ufefftruth, prediction ,case\ntruth/one.nii.gz,pred/one.nii.gz,first\ntruth/two.nii,pred/two.nii.gz,\n"), 0o600))
	var j struct{ Cases []struct{ Case string } }
	require.NoError(t, json.Unmarshal([]byte(clitest.Succeeds(t, "evaluate", "--pairs", table, "--json")), &j))
	require.Equal(t, "first", j.Cases[0].Case)
	require.Equal(t, "two", j.Cases[1].Case)

	for text, says := range map[string]string{
		"":                                         "the table is empty",
		"prediction,truth\n":                       "no line below",
		"pred,truth\na,b\n":                        `unknown column "pred"`,
		"prediction,case\na,b\n":                   `no column "truth"`,
		"prediction,truth,truth\na,b,c\n":          `column "truth" is there twice`,
		"prediction,truth\na\n":                    "line 2",
		"prediction,truth\n,b\n":                   "line 2: no prediction",
		"prediction,truth\na,b\na,c\n":             `line 3: case "a" was on line 2`,
		"prediction,truth,flair1\na,b,c\n":         "flair1 without flair2",
		"prediction,truth\n\"a,b\n":                "line",
		"prediction,truth\ngone.nii,truth/x.nii\n": "files that do not exist: " + filepath.Join(dir, "truth/x.nii") + ", " + filepath.Join(dir, "gone.nii"),
	} {
		require.NoError(t, os.WriteFile(table, []byte(text), 0o600))
		status, out, errs := clitest.Run(t, "evaluate", "--pairs", table)
		require.Equal(t, 1, status, text)
		require.Empty(t, out)
		require.Contains(t, errs, "pairs.csv: ", text)
		require.Contains(t, errs, says, text)
	}
}
