package report

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// brainCase is two scans of a round brain in which one new lesion of each kind
// appears: found, missed, false, on a grid with axes as codes say.
func brainCase(codes string) *Case {
	g := orient(codes)
	t1, t2 := ball(g, [3]float64{}, 22), ball(g, [3]float64{}, 22)
	found, missed := ball(g, [3]float64{-9, 3, 1.5}, 5), ball(g, [3]float64{9, 3, 1.5}, 4)
	wrong := ball(g, [3]float64{0, -10, 1.5}, 3)
	mask, truth, prob := volume.New(g), volume.New(g), volume.New(g)
	for x := range t1.Data {
		p := g.World(float64(x%g.Size[0]), float64(x/g.Size[0]%g.Size[1]), float64(x/g.Size[0]/g.Size[1]))
		mask.Data[x] = max(found.Data[x], wrong.Data[x])
		truth.Data[x] = max(found.Data[x], missed.Data[x])
		t1.Data[x] *= 100 + 5*float32(math.Sin(p[0])+math.Sin(p[1]))
		t2.Data[x] = t1.Data[x] * (1 + truth.Data[x])
		prob.Data[x] = 0.75 * mask.Data[x]
	}
	return &Case{Title: "case", Time1: t1, Time2: t2, Mask: mask, Truth: truth, Prob: prob}
}

// count is how many pixels of img have colour c.
func count(img *image.RGBA, c color.RGBA) (n int) {
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if img.RGBAAt(x, y) == c {
				n++
			}
		}
	}
	return n
}

// legendPixels is the size of a swatch in the last line.
const legendPixels = 14 * 14

// The same heads stored in another order give the same picture to the bit.
func TestLesionPictureShowsEachKind(t *testing.T) {
	var first *image.RGBA
	for _, codes := range []string{"RAS", "LPS", "PIR"} {
		c := brainCase(codes)
		img, err := LesionPicture(c)
		require.NoError(t, err)
		for _, k := range []color.RGBA{TruePositive, FalseNegative, FalsePositive} {
			require.Greater(t, count(img, k), legendPixels+100, codes)
		}
		require.Zero(t, count(img, Predicted))
		if first == nil {
			first = img
		}
		require.True(t, bytes.Equal(first.Pix, img.Pix), codes)
	}
}

func TestLesionPictureIsDeterministic(t *testing.T) {
	a, err := LesionPicture(brainCase("LPS"))
	require.NoError(t, err)
	b, err := LesionPicture(brainCase("LPS"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(a.Pix, b.Pix))
}

func TestLesionPictureRegions(t *testing.T) {
	for _, codes := range orientations {
		c := brainCase(codes)
		c.Brain = ball(c.Mask.Grid, [3]float64{}, 22)
		regions, err := c.regions()
		require.NoError(t, err)
		require.Len(t, regions, 3)
		// Largest first, each where it was put.
		for n, at := range [][3]float64{{-9, 3, 1.5}, {9, 3, 1.5}, {0, -10, 1.5}} {
			r := regions[n]
			for d := range 3 {
				require.InDelta(t, at[d], r.World[d], 0.5, codes)
			}
			// The slice through the middle: z = 3·(slice − 5.5).
			require.Equal(t, 6, r.slice, codes)
			g := c.Mask.Canonical()
			v := g.Voxel(at)
			for d := range 3 {
				require.True(t, float64(r.box.Min[d]) <= v[d] && v[d] < float64(r.box.Max[d]), "%s: %v in %v", codes, v, r.box)
			}
		}
		require.Equal(t, regions[0].predictedMM3, regions[0].trueMM3)
		require.Zero(t, regions[1].predictedMM3)
		require.Zero(t, regions[2].trueMM3)
		require.InDelta(t, 0.75, regions[0].MeanProb, 1e-6)
		g := c.Mask.Canonical()
		require.Contains(t, regions[1].caption(c, g), "predicted 0.0 mm³, true ")
		require.Contains(t, regions[1].caption(c, g), "(missed)")
		require.Contains(t, regions[2].caption(c, g), "(false positive)")
		require.NotContains(t, regions[0].caption(c, g), "(")
		require.Contains(t, regions[0].caption(c, g), "mean probability 0.75    axial slice 7 of 12")
	}
}

func TestLesionPictureOfAPrediction(t *testing.T) {
	c := brainCase("RAS")
	c.Truth, c.Prob = nil, nil
	img, err := LesionPicture(c)
	require.NoError(t, err)
	require.Greater(t, count(img, Predicted), legendPixels+100)
	require.Zero(t, count(img, TruePositive))

	c.Rows = 1
	one, err := LesionPicture(c)
	require.NoError(t, err)
	require.Less(t, one.Bounds().Dy(), img.Bounds().Dy()-panelSide/2)

	c.Time1 = nil
	single, err := LesionPicture(c)
	require.NoError(t, err)
	require.Less(t, single.Bounds().Dx(), one.Bounds().Dx())
}

func TestLesionPictureWithoutLesions(t *testing.T) {
	c := brainCase("LAS")
	c.Mask = volume.New(c.Mask.Grid)
	c.Truth = c.Mask
	img, err := LesionPicture(c)
	require.NoError(t, err)
	s, err := newSheet(c, nil)
	require.NoError(t, err)
	slices := s.slices(nil)
	require.Len(t, slices, 3)
	require.Equal(t, image.Pt(3*(s.panel.X+gap)-gap+2*margin, img.Bounds().Dy()), img.Bounds().Size())
	require.Greater(t, img.Bounds().Dy(), 3*s.panel.Y)
}

func TestLesionPictureOfOddVolumes(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		size    [3]int
		spacing [3]float64
		value   float32
	}{
		"one voxel":   {[3]int{1, 1, 1}, [3]float64{1, 1, 1}, 5},
		"one slice":   {[3]int{30, 40, 1}, [3]float64{1, 1, 6}, 5},
		"flat":        {[3]int{200, 1, 3}, [3]float64{0.5, 0.5, 0.5}, 5},
		"narrow":      {[3]int{1, 200, 3}, [3]float64{0.5, 0.5, 0.5}, 5},
		"huge voxels": {[3]int{4, 4, 4}, [3]float64{50, 50, 50}, 5},
		"NaN":         {[3]int{10, 10, 10}, [3]float64{1, 1, 1}, nan},
		"zero":        {[3]int{10, 10, 10}, [3]float64{1, 1, 1}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := volume.Grid{Size: c.size}
			for d := range 3 {
				g.Affine[d][d] = c.spacing[d]
			}
			scan, mask := volume.New(g), volume.New(g)
			for x := range scan.Data {
				scan.Data[x], mask.Data[x] = c.value, 1 // a lesion that fills everything
			}
			for _, m := range []*volume.Volume{mask, volume.New(g)} {
				img, err := LesionPicture(&Case{Time1: scan, Time2: scan, Mask: m, Prob: scan})
				require.NoError(t, err)
				require.Less(t, img.Bounds().Dx()*img.Bounds().Dy(), 1<<23)
			}
		})
	}
}

func TestLesionPictureErrors(t *testing.T) {
	_, err := LesionPicture(&Case{})
	require.EqualError(t, err, "a picture of lesions needs a scan and a mask")
	other := volume.New(ten)
	other.Path = "other.nii.gz"
	for name, set := range map[string]func(*Case){
		"time 1": func(c *Case) { c.Time1 = other }, "mask": func(c *Case) { c.Mask = other },
		"prob": func(c *Case) { c.Prob = other }, "truth": func(c *Case) { c.Truth = other },
		"brain": func(c *Case) { c.Brain = other },
	} {
		c := brainCase("RAS")
		set(c)
		_, err := LesionPicture(c)
		require.ErrorContains(t, err, "other.nii.gz", name)
	}
}

func TestWritePNG(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.png")
	require.NoError(t, WritePNG(path, image.NewGray(image.Rect(0, 0, 3, 2))))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	img, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, image.Pt(3, 2), img.Bounds().Size())
	require.ErrorContains(t, WritePNG(filepath.Join(path, "b.png"), img), "b.png")
}

// The real images have thick slices and LPS order, and the first change is on the
// patient's left.
func TestLesionPictureOfARealPatient(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data", "longitudinal", "patient01")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the development images are not here: ", err)
	}
	read := func(name string) *volume.Volume {
		v, err := volume.Read(filepath.Join(dir, name))
		require.NoError(t, err)
		return v
	}
	c := &Case{Time1: read("flair_time01.nii.gz"), Time2: read("flair_time02.nii.gz"), Mask: read("new_lesions.nii.gz"), Brain: read("brainmask.nii.gz")}
	found, err := Lesions(c.Mask.NonZero(), nil, 6, 1)
	require.NoError(t, err)
	list := found.Lesions
	require.Len(t, list, 3)
	require.InDelta(t, -25, list[0].World[0], 1)
	require.InDelta(t, 2475, list[0].VolumeMM3+list[1].VolumeMM3+list[2].VolumeMM3, 0.5)

	scan, err := NewScan(c.Time2, c.Brain)
	require.NoError(t, err)
	o := Mask(c.Mask, Predicted)
	for convention, left := range map[Convention]bool{Radiological: false, Neurological: true} {
		img, err := scan.Slice(View{Slice: 19, Convention: convention}, o)
		require.NoError(t, err)
		sum, n := 0, 0
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				if img.RGBAAt(x, y) == Predicted {
					sum, n = sum+x, n+1
				}
			}
		}
		require.Greater(t, n, 50)
		require.Equal(t, left, sum/n < img.Bounds().Dx()/2)
	}
	img, err := LesionPicture(c)
	require.NoError(t, err)
	require.Greater(t, count(img, Predicted), 1000)
}

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
