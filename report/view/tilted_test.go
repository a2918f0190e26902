package view_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/report/view"
)

// Two scans as they came from the scanner, of thick slices and tilted unlike each
// other, become a page that answers, with one crosshair in both.
func TestTiltedPairInChromium(t *testing.T) {
	data := "../../../shared/data/raw/patient01"
	if _, err := os.Stat(data); err != nil {
		t.Skip("no real scans beside the project: ", err)
	}
	begun := time.Now()
	_, server := start(t, view.Files{Scans: []view.Scan{
		{Label: "time 1", Path: filepath.Join(data, "study1_FLAIR.nii.gz")},
		{Label: "time 2", Path: filepath.Join(data, "study2_FLAIR.nii.gz")},
	}})
	t.Logf("read and made upright in %v", time.Since(begun))
	c := openChromium(t)
	begun = time.Now()
	c.open(server.URL())
	t.Logf("the page was ready after %v", time.Since(begun))
	x, y := middle(c, `panes[0].canvas`)
	before := position(c, 1)
	c.click(x-30, y-30)
	c.screenshot()
	a, b := position(c, 0), position(c, 1)
	require.NotEqual(t, before, b)
	require.InDeltaSlice(t, a[:], b[:], 0.02)
	require.Empty(t, c.complaints())
}
