package report

import (
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// A lesion in a corner has a close-up of full size that holds it, and a frame on
// the whole slice.
func TestCloseupStaysInsideTheScan(t *testing.T) {
	g := orient("RAS")
	for _, at := range [][3]int{{0, 0, 0}, {46, 58, 11}, {20, 30, 5}} {
		scan, mask := volume.New(g), volume.New(g)
		cube(mask, at, [3]int{at[0] + 2, at[1] + 2, at[2] + 1}, 1)
		c := &Case{Time1: scan, Time2: scan, Mask: mask}
		regions, err := c.regions()
		require.NoError(t, err)
		s, err := newSheet(c, regions)
		require.NoError(t, err)
		v := s.closeupView(&regions[0])
		require.Equal(t, at[2], v.Slice)
		for d := range 2 {
			require.Equal(t, 30, v.Box.Max[d]-v.Box.Min[d])
			require.GreaterOrEqual(t, v.Box.Min[d], 0)
			require.LessOrEqual(t, v.Box.Max[d], g.Size[d])
			require.LessOrEqual(t, v.Box.Min[d], at[d])
			require.GreaterOrEqual(t, v.Box.Max[d], at[d]+2)
		}
		img, err := s.draw()
		require.NoError(t, err)
		frame := blend(color.RGBA{0, 0, 0, 255}, closeupFrame, 0.6)
		pixels := 4 * 30 * s.view.PixelsPerMM
		require.InDelta(t, pixels, count(img, frame), 0.1*pixels)
	}
}

// A slice one voxel high leaves no room beside it, and the close-ups still show.
func TestCloseupOfAFlatScan(t *testing.T) {
	g := volume.Grid{Size: [3]int{200, 1, 3}, Affine: volume.Identity}
	mask := volume.New(g)
	cube(mask, [3]int{100, 0, 1}, [3]int{110, 1, 2}, 1)
	img, err := LesionPicture(&Case{Time1: volume.New(g), Time2: volume.New(g), Mask: mask})
	require.NoError(t, err)
	require.Greater(t, img.Bounds().Dy(), margin+3*lineHeight+2*80)
	require.Greater(t, count(img, Predicted), legendPixels)
}
