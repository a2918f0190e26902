package report

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/volume"
)

func TestLesions(t *testing.T) {
	g := volume.Grid{Size: [3]int{20, 20, 6}, Affine: volume.Affine{{-2, 0, 0, 30}, {0, 1, 0, -5}, {0, 0, 3, 0}}}
	mask, prob := volume.New(g), volume.New(g)
	cube(mask, [3]int{1, 1, 1}, [3]int{3, 2, 2}, 1) // 2 voxels of 6 mm³
	cube(mask, [3]int{3, 2, 2}, [3]int{7, 4, 3}, 1) // 8, touching the other at a corner only
	cube(prob, [3]int{3, 2, 2}, [3]int{7, 3, 3}, 0.6)
	cube(prob, [3]int{3, 3, 2}, [3]int{7, 4, 3}, 0.8)
	prob.Data[g.Index(1, 1, 1)] = 0.9

	found, err := Lesions(mask.NonZero(), prob, 6, 1)
	require.NoError(t, err)
	list := found.Lesions
	require.Len(t, list, 2)
	require.Equal(t, Lesion{Number: 1, Voxels: 8, VolumeMM3: 48, World: [3]float64{21, -2.5, 6}}, without(list[0]))
	require.Equal(t, Lesion{Number: 2, Voxels: 2, VolumeMM3: 12, World: [3]float64{27, -4, 3}}, without(list[1]))
	require.InDelta(t, 0.7, list[0].MeanProb, 1e-6)
	require.InDelta(t, 0.8, list[0].MaxProb, 1e-6)
	require.InDelta(t, 0.45, list[1].MeanProb, 1e-6)
	require.InDelta(t, 0.9, list[1].MaxProb, 1e-6)

	// Of more than 2 voxels, and by corners.
	found, err = Lesions(mask.NonZero(), prob, 6, 2.5)
	require.NoError(t, err)
	require.Len(t, found.Lesions, 1)
	require.Equal(t, [2]int{1, 2}, [2]int{found.Small, found.SmallVoxels})
	for x, l := range found.Labels {
		i, j := x%20, x/20%20
		require.Equal(t, mask.Data[x] != 0 && i >= 3 && j >= 2, l == 1)
		require.True(t, l == 0 || l == 1)
	}
	found, err = Lesions(mask.NonZero(), prob, 26, 1)
	require.NoError(t, err)
	require.Len(t, found.Lesions, 1)
	require.Equal(t, 10, found.Lesions[0].Voxels)

	found, err = Lesions(mask.NonZero(), nil, 6, 1)
	require.NoError(t, err)
	list = found.Lesions
	require.True(t, math.IsNaN(list[0].MeanProb) && math.IsNaN(list[0].MaxProb))

	small := volume.New(ten)
	small.Path = "prob.nii"
	_, err = Lesions(mask.NonZero(), small, 6, 1)
	require.ErrorContains(t, err, "prob.nii")
}

func without(l Lesion) Lesion {
	l.MeanProb, l.MaxProb = 0, 0
	return l
}

func TestLesionTable(t *testing.T) {
	mask := volume.New(ten)
	cube(mask, [3]int{1, 1, 1}, [3]int{3, 2, 2}, 1)
	cube(mask, [3]int{5, 5, 1}, [3]int{8, 8, 2}, 1)
	plainList, err := Lesions(mask.NonZero(), nil, 6, 1)
	require.NoError(t, err)
	require.Equal(t, `New lesions
lesion  x (mm)  y (mm)  z (mm)  volume (mm³)  voxels
────────────────────────────────────────────────────
     1     6.0     6.0     1.0           9.0       9
     2     1.5     1.0     1.0           2.0       2
────────────────────────────────────────────────────
     2                                  11.0      11
Positions are centroids in mm: x to the patient's right, y to the front, z up. Last line: number of
lesions, total.
`, LesionTable("New lesions", plainList.Lesions, 0.5).String())

	probs, err := Lesions(mask.NonZero(), mask, 6, 1)
	require.NoError(t, err)
	require.Contains(t, LesionTable("", probs.Lesions, 0.5).String(), "voxels  mean prob.  max prob.\n")
	require.Contains(t, LesionTable("", probs.Lesions, 0.5).String(), "      9        1.00       1.00\n")
	require.Contains(t, LesionTable("", nil, 0.5).String(), "No lesions.\n")
}

func TestMembersSayHowSureTheyAre(t *testing.T) {
	g := volume.Grid{Size: [3]int{4, 1, 1}, Affine: volume.Identity}
	mask := &volume.Mask{Grid: g, Data: []bool{true, true, false, true}}
	maps := []*volume.Volume{{Grid: g, Data: []float32{0.8, 0.6, 1, 0.2}}, {Grid: g, Data: []float32{0.9, 0.9, 1, 0.6}}}
	f, err := Lesions(mask, maps[0], 6, 1)
	require.NoError(t, err)
	require.True(t, math.IsNaN(f.Lesions[0].Spread()))
	plain := slices.Clone(f.Lesions)
	f.AddMembers(maps)
	require.InDeltaSlice(t, []float64{0.7, 0.9}, f.Lesions[0].Members, 1e-6)
	require.InDeltaSlice(t, []float64{0.2, 0.6}, f.Lesions[1].Members, 1e-6)
	require.InDelta(t, 0.2/math.Sqrt2, f.Lesions[0].Spread(), 1e-6)
	require.Equal(t, 2, f.Lesions[0].Agree(0.5))
	require.Equal(t, 1, f.Lesions[1].Agree(0.5))
	text := LesionTable("", f.Lesions, 0.5).String()
	require.Contains(t, text, "2 of 2       0.14")
	require.Contains(t, text, "1 of 2       0.28")
	require.Contains(t, text, "above 0.5 too")
	require.NotContains(t, LesionTable("", plain, 0.5).String(), "members")
}
