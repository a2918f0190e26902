package view_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/report/view"
	"voxgrad/volume"
)

func scans(paths ...string) view.Files {
	var f view.Files
	for _, p := range paths {
		f.Scans = append(f.Scans, view.Scan{Label: "scan", Path: p})
	}
	return f
}

func TestBadFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	scan := cube(t, dir, "scan.nii.gz", 4, map[int]float32{5: 100})
	text := filepath.Join(dir, "notes.txt")
	require.NoError(t, os.WriteFile(text, []byte("not an image, but long enough to be looked at: "+string(make([]byte, 400))), 0o600))
	mask := cube(t, dir, "mask.nii.gz", 4, map[int]float32{5: 1})
	larger := cube(t, dir, "larger.nii.gz", 5, map[int]float32{5: 1})
	nan := cube(t, dir, "nan.nii.gz", 4, map[int]float32{5: float32(math.NaN())})
	soft := cube(t, dir, "soft.nii.gz", 4, map[int]float32{5: 0.7})
	grey := cube(t, dir, "grey.nii.gz", 4, map[int]float32{5: 80.25, 6: 90})
	percent := cube(t, dir, "percent.nii.gz", 4, map[int]float32{5: 80})

	for name, c := range map[string]struct {
		says  []string
		files view.Files
	}{
		"no scan":        {[]string{"no scan"}, view.Files{Mask: mask}},
		"too many":       {[]string{"at most"}, scans(scan, scan, scan, scan, scan, scan, scan)},
		"absent":         {[]string{"absent.nii.gz"}, scans(filepath.Join(dir, "absent.nii.gz"))},
		"a folder":       {[]string{dir}, scans(dir)},
		"text as scan":   {[]string{"notes.txt"}, scans(text)},
		"text as mask":   {[]string{"notes.txt"}, view.Files{Scans: scans(scan).Scans, Mask: text}},
		"text as truth":  {[]string{"notes.txt"}, view.Files{Scans: scans(scan).Scans, Truth: text}},
		"text as prob":   {[]string{"notes.txt"}, view.Files{Scans: scans(scan).Scans, Probability: text}},
		"a map as mask":  {[]string{"soft.nii.gz", "not a binary mask", "--probability"}, view.Files{Scans: scans(scan).Scans, Mask: soft}},
		"a scan as mask": {[]string{"grey.nii.gz", "not a binary mask"}, view.Files{Scans: scans(scan).Scans, Truth: grey}},
		"NaN in a map":   {[]string{"nan.nii.gz", "NaN"}, view.Files{Scans: scans(scan).Scans, Probability: nan}},
		"no probability": {[]string{"percent.nii.gz", "80"}, view.Files{Scans: scans(scan).Scans, Probability: percent}},
		"two grids":      {[]string{"mask.nii.gz", "larger.nii.gz"}, view.Files{Scans: scans(scan).Scans, Mask: mask, Truth: larger}},
	} {
		_, err := view.Load(c.files)
		require.Error(t, err, name)
		for _, s := range c.says {
			require.ErrorContains(t, err, s, name)
		}
	}
}

func TestNotes(t *testing.T) {
	dir := t.TempDir()
	scan := cube(t, dir, "scan.nii.gz", 4, map[int]float32{5: 100})
	larger := cube(t, dir, "larger.nii.gz", 5, map[int]float32{5: 1})
	holes := cube(t, dir, "holes.nii.gz", 4, map[int]float32{5: float32(math.NaN()), 6: float32(math.Inf(1))})
	full := map[int]float32{}
	for x := range 40 {
		full[x] = 1
	}
	most := cube(t, dir, "most.nii.gz", 4, full)

	quiet, err := view.Load(scans(scan, scan))
	require.NoError(t, err)
	require.Empty(t, quiet.Notes())
	require.Empty(t, quiet.Lesions())

	s, err := view.Load(view.Files{Scans: scans(scan, holes, larger).Scans, Mask: most, Probability: larger})
	require.NoError(t, err)
	notes := s.Notes()
	require.Len(t, notes, 5)
	require.Regexp(t, `holes.nii.gz: 2 voxels are NaN`, notes[0])
	require.Regexp(t, `larger.nii.gz are not in the same space`, notes[1])
	require.Regexp(t, `most.nii.gz marks 62 % of its voxels`, notes[2])
	require.Regexp(t, `larger.nii.gz are not in the same space`, notes[3])
	require.Regexp(t, `the list has no probabilities`, notes[4])
	require.Nil(t, s.Lesions()[0].MaxProbability)
}

func TestFindLesions(t *testing.T) {
	g := volume.Grid{Size: [3]int{8, 8, 8}, Affine: volume.Affine{{-2, 0, 0, 10}, {0, 1, 0, -3}, {0, 0, 3, 0}}}
	mask, truth, prob := volume.New(g), volume.New(g), volume.New(g)
	set := func(v *volume.Volume, i, j, k int, f float32) { v.Data[g.Index(i, j, k)] = f }
	// Three voxels that touch at corners only: one lesion; the mask has one of them.
	for n := range 3 {
		set(truth, n, n, n, 1)
		set(prob, n, n, n, 0.1*float32(n+1))
	}
	set(mask, 2, 2, 2, 1)
	set(mask, 3, 2, 2, 1) // more of the mask's piece, outside the truth
	// A larger one that the mask misses: a ring, whose centroid is outside it.
	for i := 4; i < 7; i++ {
		for j := 4; j < 7; j++ {
			if i != 5 || j != 5 {
				set(truth, i, j, 6, 2)
			}
		}
	}
	set(mask, 0, 7, 0, 1) // and one of the mask's own
	set(prob, 0, 7, 0, 0.6)

	list, err := view.FindLesions(mask, truth, prob)
	require.NoError(t, err)
	require.Len(t, list, 3)
	missed, found, wrong := list[0], list[1], list[2]
	require.Equal(t, []view.Status{view.Missed, view.Found, view.False}, []view.Status{missed.Status, found.Status, wrong.Status})
	require.Equal(t, []int{1, 2, 3}, []int{missed.Number, found.Number, wrong.Number})

	require.Equal(t, 8, missed.Voxels)
	require.InDelta(t, 48, missed.VolumeMM3, 1e-9)
	require.Equal(t, [3]float64{0, 2, 18}, missed.Centroid)
	require.Contains(t, [][3]float64{{2, 2, 18}, {-2, 2, 18}, {0, 1, 18}, {0, 3, 18}}, missed.Point, "a voxel of the ring, not its hole")
	require.Equal(t, 0.0, *missed.MaxProbability)
	require.Nil(t, missed.Covered)

	require.Equal(t, 3, found.Voxels)
	require.InDelta(t, 1.0/3, *found.Covered, 1e-12)
	require.InDelta(t, 0.3, *found.MaxProbability, 1e-6)
	require.Equal(t, [3]float64{8, -2, 3}, found.Point)
	require.InDelta(t, 0.6, *wrong.MaxProbability, 1e-6)

	one, err := view.FindLesions(nil, truth, nil)
	require.NoError(t, err)
	require.Len(t, one, 2)
	require.Equal(t, view.Marked, one[0].Status)
	require.Nil(t, one[0].MaxProbability)
	none, err := view.FindLesions(volume.New(g), nil, prob)
	require.NoError(t, err)
	require.Empty(t, none)

	small := volume.New(volume.Grid{Size: [3]int{2, 2, 2}, Affine: volume.Identity})
	for _, bad := range [][3]*volume.Volume{{mask, small, nil}, {mask, nil, small}, {nil, truth, small}, {mask, truth, small}} {
		_, err := view.FindLesions(bad[0], bad[1], bad[2])
		require.ErrorContains(t, err, "not in the same space")
	}
}

func TestServerIsOnLoopback(t *testing.T) {
	dir := t.TempDir()
	s, err := view.Load(scans(cube(t, dir, "scan.nii.gz", 4, nil)))
	require.NoError(t, err)
	a, err := view.Listen(0, s)
	require.NoError(t, err)
	b, err := view.Listen(0, s)
	require.NoError(t, err)
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/\?token=[A-Z2-7]{26}$`, a.URL())
	stopped, stop := context.WithCancel(context.Background())
	stop()
	require.NoError(t, a.Serve(stopped))
	require.NoError(t, b.Serve(stopped))
	require.NotEqual(t, a.URL()[len(a.URL())-26:], b.URL()[len(b.URL())-26:], "each server has a token of its own")
	for _, port := range []int{-1, 65536} {
		_, err := view.Listen(port, s)
		require.ErrorContains(t, err, "port")
	}
}
