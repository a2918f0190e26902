package volume

import (
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// pairWithChange is two noisy scans of one made-up tissue; the second has a bright
// cube of 3³ voxels and a bright spot of 3 voxels.
func pairWithChange() (t1, t2 *Volume, mask *Mask) {
	g := Grid{Size: [3]int{20, 20, 20}}
	for d := range 3 {
		g.Affine[d][d] = 1
	}
	t1, t2, mask = New(g), New(g), NewMask(g)
	t1.Path, t2.Path, mask.Path = "t1.nii", "t2.nii", "mask.nii"
	s := rng.New(1, "pair")
	for x := range t1.Data {
		i, j, k := x%20, x/20%20, x/400
		if min(i, j, k) < 2 || max(i, j, k) > 17 {
			continue
		}
		mask.Data[x] = true
		tissue := 100 + 10*s.Normal()
		t1.Data[x] = float32(tissue + s.Normal())
		t2.Data[x] = float32(3 * (tissue + s.Normal()))
		if i >= 5 && i < 8 && j >= 5 && j < 8 && k >= 5 && k < 8 || i >= 12 && i < 15 && j == 12 && k == 12 {
			t2.Data[x] += 150
		}
	}
	return t1, t2, mask
}

func TestDifferenceBaseline(t *testing.T) {
	t1, t2, mask := pairWithChange()
	o := DefaultDifference()
	o.SmoothMM, o.SDs = 0, 8
	got, err := DifferenceBaseline(t1, t2, mask, o)
	require.NoError(t, err)
	for x, f := range got.Data {
		i, j, k := x%20, x/20%20, x/400
		cube := i >= 5 && i < 8 && j >= 5 && j < 8 && k >= 5 && k < 8
		require.Equal(t, cube, f, "the cube only: the spot is 3 mm³ (%d, %d, %d)", i, j, k)
	}
	o.MinMM3 = 2.9
	got, err = DifferenceBaseline(t1, t2, mask, o)
	require.NoError(t, err)
	require.Equal(t, 30, got.Count())

	// The same with a threshold in normalised units; nothing above a high one; what
	// became darker is not marked.
	o.SDs, o.Threshold = 0, 0.3
	same, err := DifferenceBaseline(t1, t2, mask, o)
	require.NoError(t, err)
	require.Equal(t, got.Data, same.Data)
	o.Threshold = 3
	got, err = DifferenceBaseline(t1, t2, mask, o)
	require.NoError(t, err)
	require.Zero(t, got.Count())
	o.Threshold = 0.3
	got, err = DifferenceBaseline(t2, t1, mask, o)
	require.NoError(t, err)
	require.Zero(t, got.Count())
}

// On a difference that is normal noise, k robust SDs are k standard deviations.
func TestDifferenceBaselineCountsSDs(t *testing.T) {
	g := Grid{Size: [3]int{40, 40, 40}, Affine: Affine{{1}, {0, 1}, {0, 0, 1}}}
	t1, t2, mask := New(g), New(g), NewMask(g)
	s := rng.New(4, "noise")
	for x := range t1.Data {
		mask.Data[x] = true
		t1.Data[x] = float32(100 + s.Normal())
		t2.Data[x] = float32(100 + s.Normal())
	}
	got, err := DifferenceBaseline(t1, t2, mask, DifferenceOptions{Method: NoScale, SDs: 2})
	require.NoError(t, err)
	require.InDelta(t, 0.02275, float64(got.Count())/float64(g.Len()), 0.003)
}

// On phantoms the baseline finds something, and is far from good.
func TestDifferenceBaselineOnPhantom(t *testing.T) {
	o := smallPhantom(1)
	o.WithoutNew, o.New, o.LesionContrast = 0, Range{4, 4}, Range{0.7, 0.9}
	p, err := NewPhantom(o)
	require.NoError(t, err)
	got, err := DifferenceBaseline(p.Time1, p.Time2, p.BrainMask, DefaultDifference())
	require.NoError(t, err)
	hit, miss, outside := 0, 0, 0
	for x, f := range p.NewLesions.Data {
		if got.Data[x] && !p.BrainMask.Data[x] {
			outside++
		}
		switch {
		case !f:
		case got.Data[x]:
			hit++
		default:
			miss++
		}
	}
	require.Zero(t, outside)
	require.Greater(t, hit, miss/2)
	require.NotEqual(t, p.NewLesions.Data, got.Data)
}

func TestDifferenceBaselineRefuses(t *testing.T) {
	t1, t2, mask := pairWithChange()
	o := DefaultDifference()
	_, err := DifferenceBaseline(t1, t2, nil, o)
	require.ErrorContains(t, err, "a brain mask is needed")
	moved := *t2
	moved.Affine[0][3] = 5
	_, err = DifferenceBaseline(t1, &moved, mask, o)
	require.ErrorContains(t, err, "t2.nii")
	_, err = DifferenceBaseline(t1, t2, NewMask(Grid{Size: [3]int{3, 3, 3}, Affine: t1.Affine}), o)
	require.Error(t, err)
	_, err = DifferenceBaseline(t1, t2, mask.Like(), o)
	require.ErrorContains(t, err, "no non-zero voxels")
	for _, bad := range []DifferenceOptions{{}, {SDs: -1}, {SDs: 1, MinMM3: -1}, {SDs: 1, SmoothMM: -1}, {Threshold: -1, SDs: 2}} {
		bad.Method = KDE
		_, err = DifferenceBaseline(t1, t2, mask, bad)
		require.ErrorContains(t, err, "difference baseline")
	}
	o.Method = "no"
	_, err = DifferenceBaseline(t1, t2, mask, o)
	require.ErrorContains(t, err, "unknown normalisation")
}
