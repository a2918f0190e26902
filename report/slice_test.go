package report

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

// orient is a grid of about 48×60×36 mm with voxels of 1×1×3 mm whose axes run as
// codes say, with the world's origin in its middle.
func orient(codes string) volume.Grid {
	var g volume.Grid
	size, spacing := [3]int{48, 60, 12}, [3]float64{1, 1, 3} // of the world's axes
	for a, c := range codes {
		w, sign := 0, 1.0
		switch c {
		case 'L':
			sign = -1
		case 'A':
			w = 1
		case 'P':
			w, sign = 1, -1
		case 'S':
			w = 2
		case 'I':
			w, sign = 2, -1
		}
		g.Size[a] = size[w]
		g.Affine[w][a] = sign * spacing[w]
		g.Affine[w][3] = -sign * spacing[w] * float64(size[w]-1) / 2
	}
	return g
}

var orientations = []string{"RAS", "LPS", "LAS", "PIR", "SRA", "ILP", "ASL"}

// ball is 1 within radius mm of a world point, else 0, on g.
func ball(g volume.Grid, at [3]float64, radius float64) *volume.Volume {
	v := volume.New(g)
	for k := range g.Size[2] {
		for j := range g.Size[1] {
			for i := range g.Size[0] {
				p := g.World(float64(i), float64(j), float64(k))
				if math.Hypot(math.Hypot(p[0]-at[0], p[1]-at[1]), p[2]-at[2]) <= radius {
					v.Data[g.Index(i, j, k)] = 1
				}
			}
		}
	}
	return v
}

// centre is the mean position of a picture's bright pixels, as fractions of its size.
func centre(img *image.RGBA) (x, y float64) {
	n := 0.0
	b := img.Bounds()
	for py := range b.Dy() {
		for px := range b.Dx() {
			if img.RGBAAt(px, py).R > 100 {
				x, y, n = x+float64(px), y+float64(py), n+1
			}
		}
	}
	return x / n / float64(b.Dx()), y / n / float64(b.Dy())
}

// A ball to the patient's left, in front, and above the middle must be seen there
// in every plane, whatever the order of the array.
func TestSidesOfThePicture(t *testing.T) {
	at := [3]float64{-12, 15, 10.5}
	for _, codes := range orientations {
		v := ball(orient(codes), at, 6)
		s, err := NewScan(v, nil)
		require.NoError(t, err)
		require.Equal(t, [3]int{48, 60, 12}, s.vol.Size)
		for _, c := range []struct {
			view     View
			lessX, y bool // expected in the left half, in the upper half
		}{
			{View{Plane: Axial, Slice: 9, Convention: Radiological}, false, true},
			{View{Plane: Axial, Slice: 9, Convention: Neurological}, true, true},
			{View{Plane: Coronal, Slice: 45, Convention: Radiological}, false, true},
			{View{Plane: Coronal, Slice: 45, Convention: Neurological}, true, true},
			{View{Plane: Sagittal, Slice: 12}, true, true},
		} {
			c.view.Plain = true
			img, err := s.Slice(c.view)
			require.NoError(t, err)
			x, y := centre(img)
			require.False(t, math.IsNaN(x), "%s %v: the ball is not there", codes, c.view)
			require.Equal(t, c.lessX, x < 0.4, "%s %v: x = %.2f", codes, c.view, x)
			require.Equal(t, !c.lessX, x > 0.6, "%s %v: x = %.2f", codes, c.view, x)
			require.Equal(t, c.y, y < 0.4, "%s %v: y = %.2f", codes, c.view, y)
		}
	}
}

// The letters stand on the side that the convention says.
func TestLettersOfTheSides(t *testing.T) {
	for _, c := range []struct {
		plane       Plane
		convention  Convention
		left, right string
	}{
		{Axial, Radiological, "R", "L"}, {Axial, Neurological, "L", "R"},
		{Coronal, Radiological, "R", "L"}, {Coronal, Neurological, "L", "R"},
		{Sagittal, Radiological, "A", "P"}, {Sagittal, Neurological, "A", "P"},
	} {
		f, err := newFrame(orient("RAS"), View{Plane: c.plane, Convention: c.convention})
		require.NoError(t, err)
		require.Equal(t, c.left+c.right, f.left+f.right)
	}
	s, err := NewScan(volume.New(orient("RAS")), nil)
	require.NoError(t, err)
	img, err := s.Slice(View{})
	require.NoError(t, err)
	white := func(lo, hi int) (n int) {
		for y := range img.Bounds().Dy() {
			for x := lo; x < hi; x++ {
				if img.RGBAAt(x, y).R > 200 {
					n++
				}
			}
		}
		return n
	}
	require.Greater(t, white(0, 20), 10)
	require.Greater(t, white(76, 96), 10)
	require.Zero(t, white(20, 76))
}

func TestPictureHasTheShapeOfTheBody(t *testing.T) {
	for _, codes := range orientations {
		s, err := NewScan(ball(orient(codes), [3]float64{}, 10), nil)
		require.NoError(t, err)
		for plane, want := range map[Plane]image.Point{Axial: {144, 180}, Coronal: {144, 108}, Sagittal: {180, 108}} {
			img, err := s.Slice(View{Plane: plane, Slice: 6, PixelsPerMM: 3})
			require.NoError(t, err)
			require.Equal(t, want, img.Bounds().Size(), "%s %s", codes, plane)
		}
		// A ball looks round where voxels are 1×3 mm, too.
		img, err := s.Slice(View{Plane: Coronal, Slice: 30, PixelsPerMM: 4, Plain: true})
		require.NoError(t, err)
		var box image.Rectangle
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				if img.RGBAAt(x, y).R > 100 {
					box = box.Union(image.Rect(x, y, x+1, y+1))
				}
			}
		}
		require.InDelta(t, 1, float64(box.Dx())/float64(box.Dy()), 0.15)
	}
}

func TestPixelUndoesColumnAndRow(t *testing.T) {
	for plane := range Plane(3) {
		for convention := range Convention(2) {
			f, err := newFrame(orient("RAS"), View{Plane: plane, Convention: convention, Slice: 5, Box: Box{[3]int{3, 7, 2}, [3]int{40, 41, 9}}})
			require.NoError(t, err)
			for _, at := range []int{0, 7, 12} {
				x, y := f.pixel(f.column(at), f.row(at))
				require.InDelta(t, float64(at)+0.5, x, 1e-9)
				require.InDelta(t, float64(at)+0.5, y, 1e-9)
			}
		}
	}
}

// Catmull-Rom reproduces a straight line, so a ramp stays one when enlarged.
func TestInterpolationKeepsARamp(t *testing.T) {
	g := orient("RAS")
	v := volume.New(g)
	for x := range v.Data {
		v.Data[x] = float32(x % g.Size[0])
	}
	s := &Scan{vol: v, low: 0, high: 255}
	img, err := s.Slice(View{Convention: Neurological, Slice: 4, PixelsPerMM: 5, Plain: true})
	require.NoError(t, err)
	for x := 15; x < 225; x++ {
		want := (float64(x)+0.5)/5 - 0.5
		require.InDelta(t, want, float64(img.RGBAAt(x, 100).R), 0.51)
	}
}

func TestGreysSuitTheBrain(t *testing.T) {
	g := volume.Grid{Size: [3]int{40, 40, 10}, Affine: volume.Identity}
	v, brain := volume.New(g), volume.New(g)
	for x := range v.Data {
		i, j := x%40, x/40%40
		v.Data[x] = 5000 // skull, far brighter than the brain
		if i >= 10 && i < 30 && j >= 10 && j < 30 {
			brain.Data[x], v.Data[x] = 1, 100+float32(i+j)
		}
	}
	v.Data[g.Index(15, 15, 5)] = float32(math.NaN())
	v.Data[g.Index(16, 15, 5)] = float32(math.Inf(1))
	s, err := NewScan(v, brain)
	require.NoError(t, err)
	require.InDelta(t, 120, s.low, 3)
	require.InDelta(t, 120+1.2*38, s.high, 3)
	require.Equal(t, Box{[3]int{7, 7, 0}, [3]int{33, 33, 10}}, s.box)

	img, err := s.Slice(View{Convention: Neurological, Slice: 5, PixelsPerMM: 1, Plain: true})
	require.NoError(t, err)
	require.Equal(t, color.RGBA{0, 0, 0, 255}, img.RGBAAt(15, 39-15), "NaN")
	require.Equal(t, color.RGBA{0, 0, 0, 255}, img.RGBAAt(16, 39-15), "infinity")
	require.Equal(t, color.RGBA{255, 255, 255, 255}, img.RGBAAt(2, 2), "skull")
}

func TestScansWithoutAnythingToSee(t *testing.T) {
	g := volume.Grid{Size: [3]int{5, 4, 3}, Affine: volume.Identity}
	for name, value := range map[string]float64{"zero": 0, "constant": 7, "NaN": math.NaN(), "infinite": math.Inf(-1)} {
		t.Run(name, func(t *testing.T) {
			v := volume.New(g)
			for x := range v.Data {
				v.Data[x] = float32(value)
			}
			s, err := NewScan(v, nil)
			require.NoError(t, err)
			_, err = s.Slice(View{Slice: 2})
			require.NoError(t, err)
			_, err = NewScan(v, volume.New(g)) // an empty mask
			require.NoError(t, err)
		})
	}
}

func TestSliceErrors(t *testing.T) {
	v := ball(orient("LPS"), [3]float64{}, 8)
	v.Path = "scan.nii.gz"
	s, err := NewScan(v, nil)
	require.NoError(t, err)
	for _, c := range []struct {
		view View
		want string
	}{
		{View{Slice: 12}, "drawing scan.nii.gz: axial slice 12 of 12"},
		{View{Slice: -1, Plane: Sagittal}, "drawing scan.nii.gz: sagittal slice -1 of 48"},
		{View{Plane: 3}, "drawing scan.nii.gz: there is no plane 3"},
		{View{Box: Box{[3]int{50, 0, 0}, [3]int{60, 9, 9}}}, "drawing scan.nii.gz: the box [50 0 0]–[60 9 9] holds no voxel"},
		{View{PixelsPerMM: 1000}, "drawing scan.nii.gz: a picture of 48000×60000 pixels is too large"},
	} {
		_, err := s.Slice(c.view)
		require.EqualError(t, err, c.want)
	}
	other := volume.New(orient("RAS"))
	other.Path = "mask.nii.gz"
	other.Affine[0][3] += 5
	_, err = s.Slice(View{}, Mask(other, Predicted))
	require.ErrorContains(t, err, "scan.nii.gz and mask.nii.gz are not in the same space")
	_, err = NewScan(v, other)
	require.ErrorContains(t, err, "scan.nii.gz and mask.nii.gz are not in the same space")
}

func BenchmarkSlice(b *testing.B) {
	s, err := NewScan(ball(orient("LPS"), [3]float64{}, 15), nil)
	require.NoError(b, err)
	for b.Loop() {
		_, err := s.Slice(View{Slice: 6, PixelsPerMM: 8})
		require.NoError(b, err)
	}
}

// cube sets the voxels of a box of v to value.
func cube(v *volume.Volume, lo, hi [3]int, value float32) {
	for k := lo[2]; k < hi[2]; k++ {
		for j := lo[1]; j < hi[1]; j++ {
			for i := lo[0]; i < hi[0]; i++ {
				v.Data[v.Index(i, j, k)] = value
			}
		}
	}
}

// draw is an axial slice of an empty scan on the overlay's grid, ten pixels a voxel,
// left on the left, so that voxel (i, j) is centred at (10i+5, 10(n−1−j)+5).
func drawn(t *testing.T, o *Overlay, slice int) (*image.RGBA, func(i, j int) color.RGBA) {
	t.Helper()
	scan := &Scan{vol: volume.New(o.of.Grid), high: 1}
	img, err := scan.Slice(View{Convention: Neurological, Slice: slice, PixelsPerMM: 10, Plain: true}, o)
	require.NoError(t, err)
	n := o.of.Size[1]
	return img, func(i, j int) color.RGBA { return img.RGBAAt(10*i+5, 10*(n-1-j)+5) }
}

var ten = volume.Grid{Size: [3]int{10, 10, 3}, Affine: volume.Identity}

func TestComparisonHasTheColoursOfFigure6(t *testing.T) {
	pred, truth := volume.New(ten), volume.New(ten)
	cube(pred, [3]int{1, 1, 1}, [3]int{5, 4, 2}, 1)
	cube(truth, [3]int{3, 1, 1}, [3]int{8, 4, 2}, 3) // any value but 0 counts
	o, err := Comparison(pred, truth)
	require.NoError(t, err)
	o.Fill, o.Outline = 1, 0
	_, at := drawn(t, o, 1)
	for j := range 10 {
		for i := range 10 {
			want := color.RGBA{0, 0, 0, 255}
			if j >= 1 && j < 4 {
				switch {
				case i >= 1 && i < 3:
					want = FalsePositive
				case i >= 3 && i < 5:
					want = TruePositive
				case i >= 5 && i < 8:
					want = FalseNegative
				}
			}
			require.Equal(t, want, at(i, j), "voxel %d, %d", i, j)
		}
	}
	_, at = drawn(t, o, 0)
	require.Equal(t, color.RGBA{0, 0, 0, 255}, at(3, 2))

	// Green is green, red red and blue blue.
	require.True(t, TruePositive.G > 2*TruePositive.R && TruePositive.G > 2*TruePositive.B)
	require.True(t, FalseNegative.R > 2*FalseNegative.G && FalseNegative.R > 2*FalseNegative.B)
	require.True(t, FalsePositive.B > 2*FalsePositive.R && FalsePositive.B*2 > 3*FalsePositive.G)
}

func TestComparisonRefusesOtherGrids(t *testing.T) {
	truth := volume.New(volume.Grid{Size: [3]int{10, 10, 4}, Affine: volume.Identity})
	truth.Path = "truth.nii"
	_, err := Comparison(volume.New(ten), truth)
	require.ErrorContains(t, err, "truth.nii")
}

func TestMaskIsDrawnOnItsVoxelsInAnyOrientation(t *testing.T) {
	at := [3]float64{-12, 15, 10.5}
	for _, codes := range orientations {
		mask := ball(orient(codes), at, 6)
		s, err := NewScan(volume.New(mask.Grid), nil)
		require.NoError(t, err)
		o := Mask(mask, Predicted)
		o.Fill = 1
		v := View{Plane: Axial, Slice: 9, PixelsPerMM: 4, Plain: true}
		img, err := s.Slice(v, o)
		require.NoError(t, err)
		f, err := newFrame(s.vol.Grid, v)
		require.NoError(t, err)
		seen := 0
		for y := range f.height {
			for x := range f.width {
				p := s.vol.World(math.Round(f.column(x)), math.Round(f.row(y)), 9)
				inside := math.Hypot(math.Hypot(p[0]-at[0], p[1]-at[1]), p[2]-at[2]) <= 6
				require.Equal(t, inside, img.RGBAAt(x, y) == Predicted, "%s at pixel %d, %d", codes, x, y)
				if inside {
					seen++
				}
			}
		}
		require.InDelta(t, math.Pi*36*16, seen, 200)
	}
}

func TestOutlineLiesInsideTheMask(t *testing.T) {
	mask := volume.New(ten)
	cube(mask, [3]int{2, 3, 0}, [3]int{6, 7, 1}, 1)
	o := Mask(mask, Predicted)
	o.Fill, o.Outline = 0.5, 3
	img, _ := drawn(t, o, 0)
	half := blend(color.RGBA{0, 0, 0, 255}, Predicted, 0.5)
	black := color.RGBA{0, 0, 0, 255}
	for x, want := range map[int]color.RGBA{19: black, 20: Predicted, 22: Predicted, 23: half, 56: half, 57: Predicted, 59: Predicted, 60: black} {
		require.Equal(t, want, img.RGBAAt(x, 50), "x = %d", x)
		y := x - 10 + 20 // rows 30 to 69 of 100, from the top
		require.Equal(t, want, img.RGBAAt(40, y), "y = %d", y)
	}
	o.Fill = 0
	img, _ = drawn(t, o, 0)
	require.Equal(t, black, img.RGBAAt(40, 50))
}

func TestHeatMap(t *testing.T) {
	prob := volume.New(ten)
	cube(prob, [3]int{0, 0, 0}, [3]int{3, 10, 1}, 1)
	cube(prob, [3]int{3, 0, 0}, [3]int{6, 10, 1}, 0.5)
	cube(prob, [3]int{6, 0, 0}, [3]int{9, 10, 1}, 0.04)
	prob.Data[ten.Index(9, 5, 0)] = float32(math.NaN())
	_, at := drawn(t, HeatMap(prob, 0.05), 0)
	black := color.RGBA{0, 0, 0, 255}
	require.Equal(t, blend(black, Heat(1), 0.85), at(1, 5))
	require.Equal(t, blend(black, Heat(0.5), 0.85*0.725), at(4, 5))
	require.Equal(t, black, at(7, 5))
	require.Equal(t, black, at(9, 5))
}

func TestHeatGrowsLighter(t *testing.T) {
	last := -1.0
	for n := range 101 {
		c := Heat(float64(n) / 100)
		light := 0.2126*float64(c.R) + 0.7152*float64(c.G) + 0.0722*float64(c.B)
		require.Greater(t, light, last-1e-9, "at %d %%", n)
		last = light
	}
	require.Equal(t, Heat(0), Heat(-1))
	require.Equal(t, Heat(1), Heat(2))
}
