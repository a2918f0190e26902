package view_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/report/view"
	"voxgrad/volume"
)

// TestPictures writes the pictures of docs/viewer.md into the folder that
// VOXGRAD_VIEW_PICTURES names: a real pair of scans, the mask of the difference
// baseline and the database's mask of new lesions.
func TestPictures(t *testing.T) {
	out := os.Getenv("VOXGRAD_VIEW_PICTURES")
	if out == "" {
		t.Skip("VOXGRAD_VIEW_PICTURES names no folder to write the pictures of docs/viewer.md into")
	}
	data := "../../../shared/data/longitudinal/patient01"
	read := func(name string) *volume.Volume {
		v, err := volume.Read(filepath.Join(data, name))
		require.NoError(t, err)
		return v
	}
	brain, err := volume.ReadMask(filepath.Join(data, "brainmask.nii.gz"))
	require.NoError(t, err)
	mask, err := volume.DifferenceBaseline(read("flair_time01.nii.gz"), read("flair_time02.nii.gz"), brain, volume.DefaultDifference())
	require.NoError(t, err)
	difference := filepath.Join(t.TempDir(), "difference.nii.gz")
	require.NoError(t, volume.WriteMask(difference, mask))
	_, server := start(t, view.Files{
		Scans: []view.Scan{
			{Label: "time 1", Path: filepath.Join(data, "flair_time01.nii.gz")},
			{Label: "time 2", Path: filepath.Join(data, "flair_time02.nii.gz")},
		},
		Mask: difference, Truth: filepath.Join(data, "new_lesions.nii.gz"),
	})
	_, phantom := start(t, phantomFiles(t))

	c := openChromium(t)
	c.resize(1280, 760, 1, false)
	shoot := func(name string) {
		c.screenshot() // waits until everything is drawn
		var shot struct{ Data string }
		c.call("Page.captureScreenshot", map[string]any{"format": "jpeg", "quality": 88}, &shot)
		b, err := base64.StdEncoding.DecodeString(shot.Data)
		require.NoError(t, err)
		require.Less(t, len(b), 300<<10, name)
		require.NoError(t, os.WriteFile(filepath.Join(out, name), b, 0o644))
	}
	c.open(server.URL())
	shoot("viewer.jpg")
	c.eval(`zoomBy(3); true`, nil)
	c.press("4")
	shoot("viewer-planes.jpg")

	c.resize(390, 844, 2, true)
	c.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": "dark"}}}, nil)
	c.open(phantom.URL())
	shoot("viewer-phone.jpg")
}
