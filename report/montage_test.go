package report

import (
	"image"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// brighter is a copy of v times a factor.
func brighter(v *volume.Volume, factor float32) *volume.Volume {
	out := v.Like()
	for i, x := range v.Data {
		out.Data[i] = factor * x
	}
	return out
}

// mean grey of the middle of a panel.
func middle(img *image.RGBA, r image.Rectangle) float64 {
	sum, n := 0.0, 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			sum += float64(img.RGBAAt(x, y).R)
			n++
		}
	}
	return sum / float64(n)
}

// All panels share the first one's grey scale, whatever the order of the axes.
func TestMontageOfOneScale(t *testing.T) {
	var first *image.RGBA
	for _, codes := range orientations {
		c := brainCase(codes)
		m := &Montage{Title: "brain", Columns: 3, Panels: []Panel{{"original", c.Time1}, {"brighter\nby 2 %", brighter(c.Time1, 1.02)}, {"gone", brighter(c.Time1, 0)}}}
		img, err := MontagePicture(m)
		require.NoError(t, err)
		if first == nil {
			first = img
		}
		require.Equal(t, first.Pix, img.Pix, codes)
	}
	cell := (first.Bounds().Dx() - 2*margin - 2*gap) / 3
	top := margin + 2*lineHeight + 8 + 2*labelHeight + 8
	var grey [3]float64
	for n := range grey {
		at := image.Pt(margin+n*(cell+gap)+cell/2, top+cell/2)
		grey[n] = middle(first, image.Rectangle{at.Sub(image.Pt(40, 40)), at.Add(image.Pt(40, 40))})
	}
	c := brainCase("RAS")
	scan, err := NewScan(c.Time1, nil)
	require.NoError(t, err)
	step := 255 * 2 / (scan.high - scan.low) // grey levels of 2 % of about 100
	require.InDelta(t, grey[0]+step, grey[1], 0.3*step)
	require.Zero(t, grey[2])
}

func TestMontageShowsTheLesions(t *testing.T) {
	for _, codes := range orientations {
		c := brainCase(codes)
		scan, err := NewScan(c.Time1, nil)
		require.NoError(t, err)
		m := &Montage{Panels: []Panel{{"", c.Time1}}}
		v, err := m.view(scan)
		require.NoError(t, err)
		require.InDelta(t, float64(scan.vol.Size[2])/2, float64(v.Slice), 1)
		m.Lesions = ball(c.Time1.Grid, [3]float64{4, 2, 12}, 5)
		v, err = m.view(scan)
		require.NoError(t, err)
		require.InDelta(t, 12, scan.vol.World(0, 0, float64(v.Slice))[2], 1.5, codes)
	}
}

func TestMontageOfOddPanels(t *testing.T) {
	c := brainCase("RAS")
	g := c.Time1.Grid
	g.Size = [3]int{g.Size[1] + 7, g.Size[0], g.Size[2] - 3}
	nan := volume.New(g)
	for i := range nan.Data {
		nan.Data[i] = float32(math.NaN())
	}
	panels := []Panel{{"original", c.Time1}}
	for n := range 7 {
		img, err := MontagePicture(&Montage{Panels: panels})
		require.NoError(t, err)
		require.Less(t, img.Bounds().Dx(), 3000)
		panels = append(panels, Panel{"a label that is much longer than its picture is wide, and then some more", []*volume.Volume{nan, c.Time2}[n%2]})
	}
	_, err := MontagePicture(&Montage{})
	require.EqualError(t, err, "a montage needs an image")
	_, err = MontagePicture(&Montage{Panels: panels, Brain: nan})
	require.Error(t, err)
	_, err = MontagePicture(&Montage{Panels: panels, Lesions: nan})
	require.Error(t, err)
}
