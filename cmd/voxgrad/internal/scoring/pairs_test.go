package scoring

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzPairs(f *testing.F) {
	f.Add("prediction,truth,case\na.nii,b.nii,c\n")
	f.Add("\ufefftruth,prediction,members,flair2\n\"a;b\",c,\"d;;e\",f\n")
	f.Add("prediction,truth\r\n\"a\"\"b\",c\r\n")
	f.Add("prediction")
	f.Fuzz(func(t *testing.T, text string) {
		cases, err := parsePairs(strings.NewReader(text), "dir")
		if err != nil {
			require.Nil(t, cases)
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.NotEmpty(t, cases)
		names := map[string]bool{}
		for _, c := range cases {
			require.NotEmpty(t, c.Prediction)
			require.NotEmpty(t, c.Truth)
			require.False(t, names[c.Name], c.Name)
			names[c.Name] = true
		}
	})
}
