package view_test

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"voxgrad/report/view"
	"voxgrad/volume"
)

// served is image n of a study as the page gets it.
func served(t *testing.T, s *view.Study, n int) *volume.Volume {
	t.Helper()
	b := body(t, ask(view.NewHandler(s, token), "GET", host, fmt.Sprintf("/image/%d?token=%s", n, token)))
	v, err := volume.Decode(bytes.NewReader(b), "served")
	require.NoError(t, err)
	return v
}

// A tilted scan of a linear function of the place is that function upright, too.
func TestTiltedScansAreBroughtUpright(t *testing.T) {
	sin, cos := math.Sincos(20 * math.Pi / 180)
	g := volume.Grid{Size: [3]int{20, 24, 9}, Affine: volume.Affine{
		{-1.5, 0, 0, 12}, {0, 1.5 * cos, -4 * sin, -9}, {0, 1.5 * sin, 4 * cos, 5}}}
	f := func(p [3]float64) float64 { return 1000.5 + 3*p[0] - 2*p[1] + 4*p[2] }
	v := volume.New(g)
	for k := range g.Size[2] {
		for j := range g.Size[1] {
			for i := range g.Size[0] {
				v.Data[g.Index(i, j, k)] = float32(f(g.World(float64(i), float64(j), float64(k))))
			}
		}
	}
	path := filepath.Join(t.TempDir(), "tilted.nii.gz")
	require.NoError(t, volume.Write(path, v, volume.Float32))
	s, err := view.Load(scans(path))
	require.NoError(t, err)
	require.Len(t, s.Notes(), 1)
	require.Regexp(t, `tilted.nii.gz is tilted by 20.0 degrees`, s.Notes()[0])

	up := served(t, s, 0)
	require.Equal(t, "RAS", up.Affine.Codes())
	require.InDeltaSlice(t, []float64{1.5, 1.5, 2}, func() []float64 { x := up.Affine.Spacing(); return x[:] }(), 1e-6)
	inside := 0
	for k := range up.Size[2] {
		for j := range up.Size[1] {
			for i := range up.Size[0] {
				p := up.World(float64(i), float64(j), float64(k))
				at := g.Voxel(p)
				between, outside := true, false
				for a := range 3 {
					between = between && at[a] >= 0 && at[a] <= float64(g.Size[a]-1)
					outside = outside || at[a] < -0.51 || at[a] > float64(g.Size[a])-0.49
				}
				switch got := float64(up.At(i, j, k)); {
				case between:
					inside++
					require.InDelta(t, f(p), got, 0.01)
				case outside:
					require.Zero(t, got)
				}
			}
		}
	}
	require.Greater(t, inside, 4_000)
	for corner := range 8 { // nothing of the field of view is lost
		p := up.Voxel(g.World(float64(corner&1)*19, float64(corner>>1&1)*23, float64(corner>>2)*8))
		for a := range 3 {
			require.GreaterOrEqual(t, p[a], 0.0)
			require.LessOrEqual(t, p[a], float64(up.Size[a]-1))
		}
	}
}

// Axes that are only turned by quarters stay as they are, bit for bit.
func TestUprightScansStayAsTheyAre(t *testing.T) {
	g := volume.Grid{Size: [3]int{5, 4, 3}, Affine: volume.Affine{{0, -2, 0, 7}, {0, 0, 3, 1}, {-1, 0, 0, 2}}}
	v := volume.New(g)
	for x := range v.Data {
		v.Data[x] = float32(x)*1.25 - 3
	}
	path := filepath.Join(t.TempDir(), "turned.nii")
	require.NoError(t, volume.Write(path, v, volume.Float32))
	s, err := view.Load(scans(path))
	require.NoError(t, err)
	require.Empty(t, s.Notes())
	got := served(t, s, 0)
	require.Equal(t, v.Data, got.Data)
	require.NoError(t, volume.SameSpace(v, got))
}

// The image of classes has a border of zeros, and its voxels where they were.
func TestOverlayHasABorder(t *testing.T) {
	dir := t.TempDir()
	scan := cube(t, dir, "scan.nii.gz", 4, map[int]float32{5: 100})
	mask := cube(t, dir, "mask.nii.gz", 4, map[int]float32{0: 1, 63: 7})
	truth := cube(t, dir, "truth.nii.gz", 4, map[int]float32{63: 1, 21: 2})
	s, err := view.Load(view.Files{Scans: scans(scan).Scans, Mask: mask, Truth: truth})
	require.NoError(t, err)
	o := served(t, s, 1)
	require.Equal(t, [3]int{6, 6, 6}, o.Size)
	found := map[[3]float64]float32{}
	for x, f := range o.Data {
		if f != 0 {
			found[o.World(float64(x%6), float64(x/6%6), float64(x/36))] = f
		}
	}
	require.Equal(t, map[[3]float64]float32{{0, 0, 0}: 3, {3, 3, 3}: 1, {1, 1, 1}: 2}, found)
}

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
