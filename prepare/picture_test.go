package prepare

import (
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

func TestPicture(t *testing.T) {
	g := volume.Grid{Size: [3]int{40, 50, 30}, Affine: volume.Identity}
	a, b, field, brain := volume.New(g), volume.New(g), volume.New(g), volume.NewMask(g)
	for i := range a.Data {
		x, y, z := i%40, i/40%50, i/2000
		a.Data[i], b.Data[i], field.Data[i] = float32(i%10), float32(20-i%10), 1
		if x > 5 && x < 34 && y > 5 && y < 44 && z > 5 && z < 24 {
			brain.Data[i] = true
		}
		if x < 20 {
			field.Data[i] = 2 // the body's left half: at the right of axial slices
		}
	}
	img, err := Picture([]*volume.Volume{a, b}, brain, []*volume.Volume{field, nil})
	require.NoError(t, err)
	require.Equal(t, 4*50*pictureScale, img.Rect.Dx())
	require.Equal(t, (50+30+30)*pictureScale, img.Rect.Dy())
	count := func(c color.RGBA) (n int) {
		for y := range img.Rect.Dy() {
			for x := range img.Rect.Dx() {
				if img.RGBAAt(x, y) == c {
					n++
				}
			}
		}
		return n
	}
	// Three slices of each plane have an outline, by voxels of the mask's faces.
	require.Equal(t, 3*(2*(28+38)-4+2*(28+18)-4+2*(38+18)-4)*pictureScale*pictureScale, count(outline))
	red := color.RGBA{R: 255, A: 255}
	require.Equal(t, red, img.RGBAAt((3*50+5+38)*pictureScale, 25*pictureScale), "what is at the left of the body is at the right")
	require.Equal(t, color.RGBA{R: 255, G: 255, B: 255, A: 255}, img.RGBAAt((3*50+5+2)*pictureScale, 25*pictureScale))

	_, err = Picture(nil, nil, nil)
	require.Error(t, err)
	_, err = Picture([]*volume.Volume{a, volume.New(volume.Grid{Size: [3]int{3, 3, 3}, Affine: volume.Identity})}, nil, nil)
	require.Error(t, err)
	img, err = Picture([]*volume.Volume{volume.New(g)}, nil, nil) // an empty scan is black
	require.NoError(t, err)
	require.Equal(t, img.Rect.Dx()*img.Rect.Dy(), count(color.RGBA{A: 255}))
}
