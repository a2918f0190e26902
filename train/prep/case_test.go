package prep

import (
	"bytes"
	"log/slog"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/internal/warn"
	"voxgrad/volume"
)

// said collects what is warned of.
func said(t *testing.T) *bytes.Buffer {
	var b bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&b, nil)))
	warn.Forget()
	t.Cleanup(func() { slog.SetDefault(was) })
	return &b
}

// stripped is a ball of tissue in zeros, and where it is.
func stripped(seed uint64, g volume.Grid) (*volume.Volume, *volume.Mask) {
	v, m := volume.New(g), volume.NewMask(g)
	v.Path = "flair" + string(rune('0'+seed)) + ".nii"
	r := rng.New(seed, "stripped")
	centre := g.Centre()
	for x := range v.Data {
		p := g.World(float64(x%g.Size[0]), float64(x/g.Size[0]%g.Size[1]), float64(x/g.Size[0]/g.Size[1]))
		d := math.Hypot(math.Hypot(p[0]-centre[0], p[1]-centre[1]), p[2]-centre[2])
		if d < 10 {
			v.Data[x], m.Data[x] = float32(100+2*r.Normal()), true
		}
	}
	return v, m
}

var millimetre = volume.Grid{Size: [3]int{26, 25, 24}, Affine: volume.Affine{{-1, 0, 0, 12}, {0, 1, 0, -3}, {0, 0, 1, 5}}}

func shift(x, y, z float64) *Transform {
	t := &Transform{Transform: volume.Identity, Path: "shift.tfm"}
	t.Transform[0][3], t.Transform[1][3], t.Transform[2][3] = x, y, z
	return t
}

// Every voxel that is not 0 is brain, in however many pieces.
func TestBrainInPieces(t *testing.T) {
	for name, empty := range map[string]func(k int) bool{
		"one slice":         func(k int) bool { return k == 11 },
		"every other slice": func(k int) bool { return k%2 == 0 },
		"three slabs":       func(k int) bool { return k == 8 || k == 9 || k == 15 },
	} {
		v, m := stripped(1, millimetre)
		for x := range v.Data {
			if empty(x / (26 * 25)) {
				v.Data[x], m.Data[x] = 0, false
			}
		}
		p, err := Images(Case{Times: []*volume.Volume{v}}, Defaults())
		require.NoError(t, err, name)
		require.Equal(t, m.Data, p.Masked.Data, name)
		require.Equal(t, m.Count(), p.Brain.Count(), name)
	}
}

// Scans that a transform moves by a part of a voxel have the brain they had.
func TestMovedStrippedScans(t *testing.T) {
	out := said(t)
	v, m := stripped(1, millimetre)
	w, _ := stripped(2, millimetre)
	p, err := Images(Case{Times: []*volume.Volume{v, w}, Space: v, Transforms: []*Transform{nil, shift(0.7, 0.6, 0.3)}}, Defaults())
	require.NoError(t, err)
	require.Greater(t, float64(p.Masked.Count()), 0.85*float64(m.Count()))
	for x, in := range p.Masked.Data {
		require.False(t, in && !m.Data[x])
	}
	require.Contains(t, out.String(), "are brain in one of them are 0 in the other", "what is left out is said")
	for i, b := range p.Brain.Data {
		require.True(t, b || p.Images[1].Data[i] == 0, "the spline's ringing stays outside")
	}
}

func TestTransformInTheWrongDirection(t *testing.T) {
	said(t)
	v, m := stripped(1, millimetre)
	far := millimetre
	far.Affine[0][3] += 40
	w, _ := stripped(2, far)
	c := Case{Times: []*volume.Volume{v, w}, Space: v, Transforms: []*Transform{nil, shift(40, 0, 0)}, Brain: m}
	_, err := Images(c, Defaults())
	require.NoError(t, err)
	for _, brain := range []*volume.Mask{m, nil} {
		c.Brain, c.Transforms[1] = brain, shift(-40, 0, 0)
		_, err = Images(c, Defaults())
		require.ErrorContains(t, err, "flair2.nii: nothing of the scan lies in the common space after shift.tfm; with the inverse of the transform it does")
		c.Transforms[1] = shift(0, 200, 0)
		_, err = Images(c, Defaults())
		require.ErrorContains(t, err, "flair2.nii: nothing of the scan lies in the common space after shift.tfm: is it the transform's inverse, or that of another scan")
		s := Defaults()
		s.ResampleTimes = true
		_, err = Images(Case{Times: []*volume.Volume{v, w}, Brain: brain}, s)
		require.ErrorContains(t, err, "flair1.nii and flair2.nii do not overlap: their centres are 40 mm apart")
	}
	// Half in, half out: what cannot be searched is said.
	out := said(t)
	c = Case{Times: []*volume.Volume{v, w}, Space: v, Transforms: []*Transform{nil, shift(40+13, 0, 0)}, Brain: m}
	_, err = Images(c, Defaults())
	require.NoError(t, err)
	require.Contains(t, out.String(), "of the brain lies outside this scan's field of view")
}

// With a common space the brain mask is on its grid, or on that of the first scan.
func TestBrainMaskOfACommonSpace(t *testing.T) {
	said(t)
	v, m := stripped(1, millimetre)
	big := volume.Grid{Size: [3]int{40, 41, 42}, Affine: millimetre.Affine}
	big.Affine[0][3] += 5
	w := volume.Resample(v, big, volume.Linear, 0)
	wide := m.Resample(big)
	for _, brain := range []*volume.Mask{m, wide} {
		p, err := Images(Case{Times: []*volume.Volume{w, w}, Space: v, Transforms: []*Transform{shift(0, 0, 0), nil}, Brain: brain}, Defaults())
		require.NoError(t, err)
		require.Equal(t, m.Data, p.Masked.Data)
	}
	other := volume.NewMask(volume.Grid{Size: [3]int{9, 9, 9}, Affine: volume.Identity})
	other.Path = "other.nii"
	_, err := Images(Case{Times: []*volume.Volume{w, w}, Space: v, Brain: other}, Defaults())
	require.ErrorContains(t, err, "other.nii")
	require.ErrorContains(t, err, "9×9×9")
	require.ErrorContains(t, err, "on the grid of the space or of the first scan")
	// Flipped, it is the same mask.
	p, err := Images(Case{Times: []*volume.Volume{v}, Brain: m.Resample(millimetre.Canonical())}, Defaults())
	require.NoError(t, err)
	require.Equal(t, m.Data, p.Masked.Data)
}

func TestNaNOutsideTheBrain(t *testing.T) {
	v, m := stripped(1, millimetre)
	clean := v.Like()
	copy(clean.Data, v.Data)
	nan := float32(math.NaN())
	for x, in := range m.Data {
		if !in {
			v.Data[x] = nan
		}
	}
	v.Data[0] = float32(math.Inf(-1))
	want, err := Images(Case{Times: []*volume.Volume{clean}, Brain: m}, Defaults())
	require.NoError(t, err)
	for _, brain := range []*volume.Mask{m, nil} {
		out := said(t)
		p, err := Images(Case{Times: []*volume.Volume{v}, Brain: brain}, Defaults())
		require.NoError(t, err)
		require.Equal(t, want.Images[0].Data, p.Images[0].Data)
		require.Contains(t, out.String(), "none of them inside the brain")
		require.True(t, math.IsNaN(float64(v.Data[1])), "the image as it was given stays")
	}
	for _, brain := range []*volume.Mask{m, nil} { // moved, too
		_, err = Images(Case{Times: []*volume.Volume{clean, v}, Space: clean, Transforms: []*Transform{nil, shift(0.4, 0.3, 0)}, Brain: brain}, Defaults())
		require.NoError(t, err)
	}
	_, err = Images(Case{Times: []*volume.Volume{v}, NoMask: true}, Defaults())
	require.ErrorContains(t, err, "NaN")
	inside := millimetre.Index(13, 12, 12)
	require.True(t, m.Data[inside])
	v.Data[inside] = nan
	for _, brain := range []*volume.Mask{m, nil} {
		_, err = Images(Case{Times: []*volume.Volume{v}, Brain: brain}, Defaults())
		require.ErrorContains(t, err, "flair1.nii: 1 voxels inside the brain are NaN or infinite, the first at (13, 12, 12)")
		_, err = Images(Case{Times: []*volume.Volume{clean, v}, Space: clean, Transforms: []*Transform{nil, shift(0.4, 0, 0)}, Brain: brain}, Defaults())
		require.ErrorContains(t, err, "flair1.nii: 1 voxels inside the brain are NaN")
	}
}

func TestImplausibleInputsAreSaid(t *testing.T) {
	out := said(t)
	v, m := stripped(1, millimetre)
	_, err := Images(Case{Times: []*volume.Volume{v, v}, Brain: m}, Defaults())
	require.NoError(t, err)
	require.Contains(t, out.String(), "hold the same image: nothing can be new between them")

	// A whole head whose air is exactly 0.
	g := volume.Grid{Size: [3]int{50, 60, 55}, Affine: volume.Affine{{4, 0, 0, 0}, {0, 4, 0, 0}, {0, 0, 4, 0}}}
	head := volume.New(g)
	head.Path = "head.nii"
	for x := range head.Data {
		i, j, k := float64(x%50)-24.5, float64(x/50%60)-29.5, float64(x/3000)-27
		if i*i/400+j*j/625+k*k/484 < 1 {
			head.Data[x] = 100 + float32(x%9)
		}
	}
	out = said(t)
	_, err = Images(Case{Times: []*volume.Volume{head}}, Defaults())
	require.NoError(t, err)
	require.Contains(t, out.String(), "head.nii: the brain found in it, all that is not 0, is hardly one: it has 2.9 litres")
	require.Contains(t, out.String(), "--brainmask")

	empty := volume.NewMask(millimetre)
	empty.Path = "empty.nii"
	_, err = Images(Case{Times: []*volume.Volume{v}, Brain: empty}, Defaults())
	require.ErrorContains(t, err, "empty.nii: the brain mask is empty")
}

// The mask of lesions in place of that of the brain finds nothing, but not in silence.
func TestABrainMaskOfNearlyNothingIsToldOf(t *testing.T) {
	out := said(t)
	v, m := stripped(1, millimetre)
	_, err := Images(Case{Times: []*volume.Volume{v}, Brain: m}, Defaults())
	require.NoError(t, err)
	require.NotContains(t, out.String(), "hardly the mask of a brain: it holds")
	lesions := m.Like()
	lesions.Path = "lesions.nii"
	for k := range 3 {
		lesions.Data[lesions.Index(12, 12, 11+k)] = true
		lesions.Data[lesions.Index(13, 12, 11+k)] = true
	}
	_, _ = Images(Case{Times: []*volume.Volume{v}, Brain: lesions}, Defaults())
	require.Contains(t, out.String(), "lesions.nii: hardly the mask of a brain: it holds 0.14 % of the non-zero voxels of flair1.nii")
}

// A brain mask that leaves out part of a stripped scan, or encloses tissue that it does
// not hold, covers less than one thinks.
func TestABrainMaskThatLeavesTissueOutIsToldOf(t *testing.T) {
	v, m := stripped(1, millimetre)
	masked := func(out func(i, j, k int) bool) string {
		said := said(t)
		b := m.Like()
		b.Path = "brain.nii"
		for k := range m.Size[2] {
			for j := range m.Size[1] {
				for i := range m.Size[0] {
					b.Data[b.Index(i, j, k)] = m.At(i, j, k) && !out(i, j, k)
				}
			}
		}
		_, err := Images(Case{Times: []*volume.Volume{v}, Brain: b}, Defaults())
		require.NoError(t, err)
		return said.String()
	}
	require.Empty(t, masked(func(i, j, k int) bool { return false }))
	require.Contains(t, masked(func(i, j, k int) bool { return k > 11 }), "brain.nii: the mask leaves out 50 % of the non-zero voxels of flair1.nii, which looks skull-stripped")
	holes := masked(func(i, j, k int) bool { return max(i-12, 12-i, j-12, 12-j, k-11, 11-k) <= 1 })
	require.Contains(t, holes, "brain.nii: the mask has holes: 27 non-zero voxels of flair1.nii (0.027 ml) are enclosed by it")
	require.NotContains(t, masked(func(i, j, k int) bool { return i == 12 && j == 12 && k == 11 }), "holes")

	// A head with its skull is left out without a word.
	for x := range v.Data {
		if !m.Data[x] {
			v.Data[x] = float32(20 + x%7)
		}
	}
	require.NotContains(t, masked(func(i, j, k int) bool { return false }), "leaves out")
}

// A second scan stored along other axes of the same grid has the same voxels.
func TestTimePointsInAnotherOrder(t *testing.T) {
	v, _ := stripped(1, millimetre)
	w, _ := stripped(2, millimetre)
	want, err := Images(Case{Times: []*volume.Volume{v, w}}, Defaults())
	require.NoError(t, err)
	other := volume.Grid{Size: [3]int{24, 26, 25}} // z from the top, then x, then y
	for r := range 3 {
		a := millimetre.Affine[r]
		other.Affine[r] = [4]float64{-a[2], a[0], a[1], a[3] + 23*a[2]}
	}
	turned, ok := volume.Reorder(w, other)
	require.True(t, ok)
	for _, s := range []Settings{Defaults(), {Normalize: "kde", Interpolation: "cubic", ResampleTimes: true}} {
		got, err := Images(Case{Times: []*volume.Volume{v, turned}}, s)
		require.NoError(t, err)
		require.Equal(t, want.Aligned[1].Data, got.Aligned[1].Data)
		require.Equal(t, want.Images[1].Data, got.Images[1].Data)
		require.Equal(t, want.Masked.Data, got.Masked.Data)
	}
}
