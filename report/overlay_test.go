package report

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

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
