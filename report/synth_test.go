package report

import (
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// pairOf is a pair on a cube of 60 mm: a lesion that is only at time 2, and one
// that stays.
func pairOf() *Synthetic {
	g := volume.Grid{Size: [3]int{60, 60, 60}, Affine: volume.Affine{{-1, 0, 0, 30}, {0, 1, 0, -30}, {0, 0, 1, -30}}}
	brain := volume.New(g)
	for i := range brain.Data {
		at := [3]int{i % 60, i / 60 % 60, i / 3600}
		if min(at[0], at[1], at[2]) >= 5 && max(at[0], at[1], at[2]) < 55 {
			brain.Data[i] = 1
		}
	}
	c := &Synthetic{Source: brain.Like(), Before: brain.Like(), Brain: brain}
	for t := range 2 {
		c.Times[t], c.Lesions[t] = brain.Like(), brain.Like()
	}
	for i, b := range brain.Data {
		v := b * float32(100+i%3)
		c.Source.Data[i], c.Times[0].Data[i], c.Times[1].Data[i] = v, v, v
	}
	for k := 20; k < 26; k++ {
		for j := 20; j < 26; j++ {
			for i := 20; i < 26; i++ {
				x, y := g.Index(i, j, k), g.Index(i+15, j+15, k)
				c.Times[1].Data[x], c.Lesions[1].Data[x] = 160, 1
				for _, v := range []*volume.Volume{c.Before, c.Lesions[0], c.Lesions[1]} {
					v.Data[y] = 1
				}
			}
		}
	}
	c.Rows = []SyntheticLesion{{Caption: "1 generated", Voxel: [3]float64{22.5, 22.5, 22.5}, MM3: 216}}
	return c
}

// pixels counts a colour in part of a picture.
func pixels(img *image.RGBA, r image.Rectangle, c color.RGBA) (n int) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if img.RGBAAt(x, y) == c {
				n++
			}
		}
	}
	return n
}

func TestSyntheticPicture(t *testing.T) {
	c := pairOf()
	img, err := SyntheticPicture(c)
	require.NoError(t, err)
	x0, y0 := margin+panelSide+gap, margin+3*lineHeight+6+lineHeight
	cell := func(column, row int) image.Rectangle {
		return image.Rect(0, 0, synthCell, synthCell).Add(image.Pt(x0+column*(synthCell+gap), y0+row*(synthCell+gap)))
	}
	for column := range 3 {
		require.Zero(t, pixels(img, cell(column, 0), lesionColor)+pixels(img, cell(column, 0), newColor), "no outlines in the upper row")
		require.Equal(t, column == 2, pixels(img, cell(column, 1), newColor) > 50, "column %d", column)
	}
	at := func(column int) color.RGBA { // the middle of the lesion is the middle of the cell
		return img.RGBAAt(x0+column*(synthCell+gap)+synthCell/2, y0+synthCell/2)
	}
	require.Greater(t, at(2).R, at(0).R+40)
	require.InDelta(t, at(0).R, at(1).R, 5)

	c.Rows[0].Voxel = [3]float64{37.5, 37.5, 22.5} // the lesion that stays
	img, err = SyntheticPicture(c)
	require.NoError(t, err)
	for column := range 3 {
		require.Greater(t, pixels(img, cell(column, 1), lesionColor), 50)
	}

	c.Rows = nil
	_, err = SyntheticPicture(c)
	require.NoError(t, err)
}

func TestSyntheticPictureErrors(t *testing.T) {
	c := pairOf()
	c.Lesions[1] = nil
	_, err := SyntheticPicture(c)
	require.ErrorContains(t, err, "two time points")
	c = pairOf()
	c.Times[0].Affine[0][3]++
	c.Times[0].Path = "moved.nii"
	_, err = SyntheticPicture(c)
	require.ErrorContains(t, err, "moved.nii")
}
