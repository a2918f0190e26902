package dataset

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/train/prep"
)

// Real images: recognised, sound, and loadable.
func TestRealData(t *testing.T) {
	root := "../../../shared/data"
	if _, err := os.Stat(root); err != nil {
		t.Skip("needs the real images of ../shared/data, which are not part of the project")
	}
	if testing.Short() {
		t.Skip("reads whole brains")
	}
	for kind, c := range map[string]struct {
		times   int
		codes   string
		lesions map[string]int // as the data's README counts them
	}{
		"cross_sectional": {1, "LAS", map[string]int{"patient07": 37, "patient19": 98}},
		"longitudinal":    {2, "LPS", map[string]int{"patient01": 3, "patient03": 7}},
	} {
		set, err := Open(filepath.Join(root, kind), Options{})
		require.NoError(t, err)
		require.NoError(t, set.Complete())
		n, err := set.TimePoints()
		require.NoError(t, err)
		require.Equal(t, c.times, n)
		for _, r := range checked(t, set) {
			require.Empty(t, texts(r, Error))
			require.Equal(t, c.lesions[r.Case], r.Lesions, r.Case)
			require.Equal(t, c.codes, r.Codes)
		}
		it, err := NewLoader(set, prep.Defaults(), 1).Load(0)
		require.NoError(t, err)
		require.Greater(t, it.BrainVoxels(), 800_000)
		require.Positive(t, it.Lesions())
		t.Logf("%s: %v voxels of 1 mm, %d lesions, %d MiB", set.Cases[0].ID, it.Grid().Size, it.Lesions(), it.Bytes()>>20)
	}
}

func checked(t *testing.T, set *Set) []Report {
	r, err := Check(t.Context(), set, prep.Defaults(), nil, nil)
	require.NoError(t, err)
	return r
}
