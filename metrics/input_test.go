package metrics

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

func TestTruncationTowardsZero(t *testing.T) {
	// 0.9 counts as 0, 1.7 as 1: both files mark voxels 1 to 4.
	a, b := row(0, 1, 1, 1, 1, 0), row(0, 1, 1, 1, 1, 0)
	b.Data[0], b.Data[2] = 0.9, 1.7
	require.Equal(t, 1.0, evaluate(t, a, b, DefaultOptions()).Voxel.Dice)
	b.Data[1] = float32(math.Copysign(0, -1))
	require.Less(t, evaluate(t, a, b, DefaultOptions()).Voxel.Dice, 1.0)
}

func TestForegroundIsWhatIsMeasured(t *testing.T) {
	v := row(0, 1, 1, 7, 0)
	v.Data[1] = 0.9 // truncated
	in, err := Foreground(v)
	require.NoError(t, err)
	require.Equal(t, []bool{false, false, true, true, false}, in)
	in, err = Foreground(row(2, 2, 5)) // the smallest value is the background
	require.NoError(t, err)
	require.Equal(t, []bool{false, false, true}, in)
	in, err = Foreground(row(1, 1, 1))
	require.NoError(t, err)
	require.Equal(t, []bool{false, false, false}, in)
	v.Data[0] = -1
	_, err = Foreground(v)
	require.ErrorContains(t, err, "voxel (0, 0, 0)")
}

func TestRefusedValues(t *testing.T) {
	for _, bad := range []float32{float32(math.NaN()), -1, -1e-6, 65535.5, 65536, 1e30, float32(math.Inf(1)), float32(math.Inf(-1))} {
		a, b := row(0, 1, 1, 1, 1, 0), row(0, 1, 1, 1, 1, 0)
		a.Path, b.Path = "truth.nii.gz", "pred.nii.gz"
		b.Data[4] = bad
		_, err := EvaluateLabels(a, b, DefaultOptions())
		require.ErrorContains(t, err, "pred.nii.gz: voxel (4, 0, 0)", "%v", bad)
		_, err = EvaluateLabels(b, a, DefaultOptions())
		require.ErrorContains(t, err, "pred.nii.gz: voxel (4, 0, 0)", "%v", bad)
	}
	a, b := row(0, 1), row(0, 1)
	b.Data[1] = 65535
	require.Equal(t, 1.0, evaluate(t, a, b, DefaultOptions()).Voxel.Dice)
}

func TestRefusedGrids(t *testing.T) {
	one := [3]float64{1, 1, 1}
	a := image([3]int{4, 4, 4}, one, make([]int, 64))
	a.Path = "truth.nii.gz"
	for name, change := range map[string]func(v *volume.Volume){
		"shape":     func(v *volume.Volume) { v.Size = [3]int{4, 2, 8} },
		"spacing":   func(v *volume.Volume) { v.Affine[1][1] = 1.1 },
		"origin":    func(v *volume.Volume) { v.Affine[0][3] = 2 },
		"direction": func(v *volume.Volume) { v.Affine[0][0] = -1 },
		"NaN":       func(v *volume.Volume) { v.Affine[0][0] = math.NaN() },
	} {
		b := image([3]int{4, 4, 4}, one, make([]int, 64))
		b.Path = "pred.nii.gz"
		change(b)
		_, err := EvaluateLabels(a, b, DefaultOptions())
		require.ErrorContains(t, err, "truth.nii.gz", name)
		require.ErrorContains(t, err, "pred.nii.gz", name)
	}

	same := image([3]int{4, 4, 4}, one, make([]int, 64))
	for _, c := range []struct {
		change func(v *volume.Volume)
		says   string // all that differs, and nothing else
	}{
		{func(v *volume.Volume) { v.Size = [3]int{4, 2, 8} }, ": shape 4×4×4 and 4×2×8 voxels; resample"},
		{func(v *volume.Volume) { v.Affine[1][1] = 1.25 }, ": spacing 1×1×1 and 1×1.25×1 mm; resample"},
		{func(v *volume.Volume) { v.Affine[0][3] = 3; v.Affine[1][3] = 4 }, ": first voxels 5 mm apart; resample"},
		{func(v *volume.Volume) { v.Affine[0][0] = -1 }, ": axes RAS and LAS; resample"},
		{func(v *volume.Volume) {
			c, s := math.Cos(math.Pi/60), math.Sin(math.Pi/60) // 3 degrees
			v.Affine[0][0], v.Affine[0][1], v.Affine[1][0], v.Affine[1][1] = c, -s, s, c
		}, ": axes turned by 3 degrees; resample"},
		{func(v *volume.Volume) { v.Size = [3]int{4, 4, 5}; v.Affine[2][2] = 0.8; v.Affine[2][3] = 0.1 },
			": shape 4×4×4 and 4×4×5 voxels, spacing 1×1×1 and 1×1×0.8 mm, first voxels 0.1 mm apart; resample"},
	} {
		b := image([3]int{4, 4, 4}, one, make([]int, 64))
		c.change(b)
		_, err := EvaluateLabels(same, b, DefaultOptions())
		require.ErrorContains(t, err, c.says)
	}
	close := image([3]int{4, 4, 4}, one, make([]int, 64))
	close.Affine[0][3] = 0.9e-3
	_, err := EvaluateLabels(same, close, DefaultOptions())
	require.NoError(t, err)

	flat := volume.New(volume.Grid{Size: [3]int{2, 2, 2}}) // an affine of zeros
	_, err = EvaluateLabels(flat, flat, DefaultOptions())
	require.ErrorContains(t, err, "voxels of 0×0×0 mm")

	short := image([3]int{2, 2, 2}, one, make([]int, 8))
	short.Data = short.Data[:7]
	_, err = EvaluateLabels(short, short, DefaultOptions())
	require.ErrorContains(t, err, "7 voxels of data")

	none := &volume.Volume{Grid: volume.Grid{Size: [3]int{0, 2, 2}, Affine: a.Affine}}
	_, err = EvaluateLabels(none, none, DefaultOptions())
	require.ErrorContains(t, err, "no voxels")
}

func TestRefusedOptions(t *testing.T) {
	a := row(0, 1, 1, 1, 1, 0)
	for want, change := range map[string]func(o *Options){
		"-1 mm³":        func(o *Options) { o.MinLesionMM3 = -1 },
		"NaN mm³":       func(o *Options) { o.MinLesionMM3 = math.NaN() },
		"+Inf mm³":      func(o *Options) { o.MinLesionMM3 = math.Inf(1) },
		"alpha is 0":    func(o *Options) { o.Alpha = 0 },
		"alpha is NaN":  func(o *Options) { o.Alpha = math.NaN() },
		"beta is 1.1":   func(o *Options) { o.Beta = 1.1 },
		"gamma is -0.5": func(o *Options) { o.Gamma = -0.5 },
		"unknown group": func(o *Options) { o.Groups = 8 },
	} {
		o := DefaultOptions()
		change(&o)
		_, err := EvaluateLabels(a, a, o)
		require.ErrorContains(t, err, want)
	}
	o := DefaultOptions()
	o.Alpha, o.Beta, o.Gamma, o.MinLesionMM3 = 1, 1, 1, 0
	require.NoError(t, o.Validate())
}

func TestTooManyComponents(t *testing.T) {
	size := [3]int{132, 1000, 1} // a checkerboard: 66000 single voxels
	labels := make([]int, size[0]*size[1])
	for x := range labels {
		labels[x] = (x%132 + x/132) % 2
	}
	v := image(size, [3]float64{1, 1, 1}, labels)
	v.Path = "noise.nii"
	_, err := EvaluateLabels(v, v, DefaultOptions())
	require.ErrorContains(t, err, "noise.nii: 66000 connected components")
	o := DefaultOptions()
	o.Groups = VoxelGroup | SurfaceGroup
	require.Equal(t, 1.0, evaluate(t, v, v, o).Voxel.Dice)
}

// FuzzEvaluate tries masks of any shape and content: an error or a result within
// the measures' ranges, and JSON in either case.
func FuzzEvaluate(f *testing.F) {
	f.Add(uint8(3), uint8(2), uint8(2), uint8(0), []byte{0, 1, 1, 0, 2, 0, 9, 9, 0, 0, 1, 1, 1, 0, 0, 255})
	f.Add(uint8(1), uint8(1), uint8(1), uint8(1), []byte{1})
	f.Add(uint8(9), uint8(1), uint8(1), uint8(3), []byte{0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 1})
	f.Add(uint8(4), uint8(4), uint8(4), uint8(2), []byte{})
	f.Add(uint8(7), uint8(3), uint8(5), uint8(2), []byte{1, 0, 0, 250, 2, 0, 3, 0, 0, 0, 0, 0, 1, 3, 1})
	special := map[byte]float32{250: float32(math.NaN()), 251: -1, 252: 65535, 253: 70000, 254: float32(math.Inf(1)), 255: 0.99}
	f.Fuzz(func(t *testing.T, nx, ny, nz, kind uint8, data []byte) {
		size := [3]int{int(nx%10) + 1, int(ny%10) + 1, int(nz%10) + 1}
		spacing := [][3]float64{{1, 1, 1}, {0.5, 0.5, 0.8}, {1e-6, 1, 1e6}, {2, 2, 2}}[kind%4]
		n := size[0] * size[1] * size[2]
		a, b := image(size, spacing, make([]int, n)), image(size, spacing, make([]int, n))
		plain := true
		for x := range 2 * n {
			if len(data) == 0 {
				break
			}
			c := data[x%len(data)]
			value, odd := special[c]
			if !odd {
				value = float32(c % 5)
			}
			plain = plain && value >= 0 && value <= 65535
			if x < n {
				a.Data[x] = value
			} else {
				b.Data[x-n] = value
			}
		}
		o := DefaultOptions()
		o.AnimaQuirks = kind&4 != 0
		if kind&8 != 0 {
			o.MinLesionMM3, o.Gamma = 0, 1
		}
		r, err := EvaluateLabels(a, b, o)
		require.Equal(t, plain, err == nil, "%v", err)
		if err != nil {
			return
		}
		_, err = json.Marshal(r)
		require.NoError(t, err)
		diagonal := 0.0
		for d := range 3 {
			diagonal = math.Hypot(diagonal, float64(size[d])*spacing[d])
		}
		upper := map[string]float64{"relative_volume_error": math.Inf(1), "truth_lesions": float64(n), "pred_lesions": float64(n),
			"tested_lesions": float64(n), "tested_volume": math.Inf(1), "hausdorff": diagonal,
			"contour_mean_distance": diagonal, "average_surface_distance": diagonal}
		for _, m := range r.Measures() {
			top, known := upper[m.Key]
			if !known {
				top = 1
			}
			low := 0.0
			if m.Key == "relative_volume_error" {
				low = -100
			}
			require.False(t, m.Value < low || m.Value > top, "%s = %v", m.Key, m.Value)
		}
	})
}
