package metrics

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/par"
	"voxgrad/internal/rng"
	"voxgrad/volume"
)

func image(size [3]int, spacing [3]float64, labels []int) *volume.Volume {
	g := volume.Grid{Size: size}
	for d := range 3 {
		g.Affine[d][d] = spacing[d]
	}
	v := volume.New(g)
	for x, l := range labels {
		v.Data[x] = float32(l)
	}
	return v
}

// row is an image of one row of 1 mm voxels.
func row(labels ...int) *volume.Volume {
	return image([3]int{len(labels), 1, 1}, [3]float64{1, 1, 1}, labels)
}

func evaluate(t *testing.T, truth, pred *volume.Volume, o Options) Result {
	t.Helper()
	r, err := EvaluateLabels(truth, pred, o)
	require.NoError(t, err)
	return r
}

// randomLabels draws blocks of labels 1..kinds until each of them is there, so
// that lesions touch, overlap and reach the border.
func randomLabels(s *rng.Stream, size [3]int, kinds int) []int {
	g := volume.Grid{Size: size}
	out := make([]int, g.Len())
	for range 1 + s.Intn(8) {
		var lo, hi [3]int
		for d := range 3 {
			lo[d] = s.Intn(size[d])
			hi[d] = min(lo[d]+1+s.Intn(3), size[d])
		}
		l := s.Intn(kinds + 1)
		for k := lo[2]; k < hi[2]; k++ {
			for j := lo[1]; j < hi[1]; j++ {
				for i := lo[0]; i < hi[0]; i++ {
					out[g.Index(i, j, k)] = l
				}
			}
		}
	}
	for l := 0; l <= kinds; l++ {
		out[s.Intn(len(out))] = l
	}
	return out
}

func hasAll(labels []int, kinds int) bool {
	seen := map[int]bool{}
	for _, l := range labels {
		seen[l] = true
	}
	return len(seen) == kinds+1
}

func randomSize(s *rng.Stream) [3]int {
	size := [3]int{1 + s.Intn(8), 1 + s.Intn(7), 1 + s.Intn(6)}
	if size[0]*size[1]*size[2] < 6 {
		size[s.Intn(3)] = 7
	}
	return size
}

func TestAgainstDefinitions(t *testing.T) {
	s := rng.New(7, "definitions")
	spacings := [][3]float64{{1, 1, 1}, {0.5, 0.5, 0.8}, {3, 0.25, 1.1}}
	tried := 0
	for tried < 400 {
		size, kinds := randomSize(s), 1+s.Intn(3)
		spacing := spacings[s.Intn(len(spacings))]
		a, b := randomLabels(s, size, kinds), randomLabels(s, size, kinds)
		if !hasAll(a, kinds) || !hasAll(b, kinds) {
			continue
		}
		tried++
		o := DefaultOptions()
		o.MinLesionMM3 = s.Uniform(0, 3) * float64(s.Intn(2))
		if s.Bool(0.5) {
			o.Alpha, o.Beta, o.Gamma = s.Uniform(0.01, 1), s.Uniform(0.01, 1), 1-s.Uniform(0, 0.9)*float64(s.Intn(2))
		}
		o.AnimaQuirks = s.Bool(0.5)
		truth, pred := image(size, spacing, a), image(size, spacing, b)
		r := evaluate(t, truth, pred, o)

		v := bruteVoxel(a, b, kinds)
		for _, m := range []([2]float64){{v.Jaccard, r.Voxel.Jaccard}, {v.Dice, r.Voxel.Dice}, {v.Sensitivity, r.Voxel.Sensitivity},
			{v.Specificity, r.Voxel.Specificity}, {v.PPV, r.Voxel.PPV}, {v.NPV, r.Voxel.NPV},
			{v.RelativeVolumeError, r.Voxel.RelativeVolumeError}} {
			if math.IsNaN(m[0]) { // no voxel is background in both
				require.True(t, math.IsNaN(m[1]))
				continue
			}
			require.InDelta(t, m[0], m[1], 1e-12)
		}

		want := bruteSurface(a, b, kinds, size, spacing)
		average := want[2]
		if o.AnimaQuirks {
			average = want[3]
		}
		require.InDelta(t, want[0], r.Surface.Hausdorff, 1e-12)
		require.InDelta(t, want[1], r.Surface.ContourMean, 1e-12)
		require.InDelta(t, average, r.Surface.Average, 1e-12)

		least := int(math.Floor(o.MinLesionMM3/(spacing[0]*spacing[1]*spacing[2]))) + 1
		la, lb := bruteLesions(a, size, least), bruteLesions(b, size, least)
		compareWithSets(t, la, bruteDetected(la, lb, o), r.TruthLesions, truth)
		compareWithSets(t, lb, bruteDetected(lb, la, o), r.PredLesions, pred)
	}
}

func compareWithSets(t *testing.T, sets []map[int]bool, found []bool, got []Lesion, v *volume.Volume) {
	t.Helper()
	require.Len(t, got, len(sets))
	for n, l := range got {
		require.Equal(t, len(sets[n]), l.Voxels)
		require.Equal(t, found[n], l.Found, "lesion %d", n+1)
		var c [3]float64
		for x := range sets[n] {
			i, j, k := place(x, v.Size)
			for d, at := range [3]int{i, j, k} {
				c[d] += float64(at) / float64(l.Voxels)
			}
		}
		s := v.Spacing()
		for d := range 3 {
			require.InDelta(t, c[d], l.Centroid[d], 1e-12)
			require.InDelta(t, c[d]*s[d], l.World[d], 1e-12)
		}
		require.InEpsilon(t, float64(l.Voxels)*s[0]*s[1]*s[2], l.VolumeMM3, 1e-12)
	}
}

func TestSwappingTheMasks(t *testing.T) {
	s := rng.New(8, "swap")
	for range 200 {
		size := randomSize(s)
		a, b := randomLabels(s, size, 1), randomLabels(s, size, 1)
		if !hasAll(a, 1) || !hasAll(b, 1) {
			continue
		}
		o := DefaultOptions()
		o.MinLesionMM3 = 0
		x, y := image(size, [3]float64{1, 2, 1.5}, a), image(size, [3]float64{1, 2, 1.5}, b)
		p, q := evaluate(t, x, y, o), evaluate(t, y, x, o)
		require.Equal(t, p.Voxel.Dice, q.Voxel.Dice)
		require.Equal(t, p.Voxel.Jaccard, q.Voxel.Jaccard)
		require.Equal(t, p.Voxel.Sensitivity, q.Voxel.PPV)
		require.Equal(t, p.Voxel.Specificity, q.Voxel.NPV)
		require.Equal(t, p.Surface.Hausdorff, q.Surface.Hausdorff)
		require.Equal(t, p.Surface.ContourMean, q.Surface.ContourMean)
		require.InDelta(t, p.Surface.Average, q.Surface.Average, 1e-13)
		require.Equal(t, p.Lesion.Sensitivity, q.Lesion.PPV)
		require.Equal(t, p.Lesion.F1, q.Lesion.F1)
		require.InDelta(t, 2*p.Voxel.Jaccard/(1+p.Voxel.Jaccard), p.Voxel.Dice, 1e-15)
	}
}

func TestIdenticalMasks(t *testing.T) {
	truth, _ := manyLesions(40, 20, 3)
	r := evaluate(t, truth, truth, DefaultOptions())
	require.Equal(t, &Voxel{Jaccard: 1, Dice: 1, Sensitivity: 1, Specificity: 1, PPV: 1, NPV: 1}, r.Voxel)
	require.Equal(t, &Surface{}, r.Surface)
	require.Equal(t, &LesionScores{Sensitivity: 1, PPV: 1, F1: 1}, r.Lesion)
}

func TestSameBitsOnAnyNumberOfCores(t *testing.T) {
	defer par.SetThreads(0)
	truth, pred := manyLesions(48, 30, 4)
	par.SetThreads(1)
	one := evaluate(t, truth, pred, DefaultOptions())
	par.SetThreads(7)
	require.Equal(t, one, evaluate(t, truth, pred, DefaultOptions()))
}

func TestGroups(t *testing.T) {
	a, b := row(0, 1, 1, 1, 1, 0), row(0, 0, 1, 1, 1, 1)
	for g := range AllGroups + 1 {
		o := DefaultOptions()
		o.Groups = g
		r := evaluate(t, a, b, o)
		require.Equal(t, g == 0 || g&VoxelGroup != 0, r.Voxel != nil)
		require.Equal(t, g == 0 || g&SurfaceGroup != 0, r.Surface != nil)
		require.Equal(t, g == 0 || g&LesionGroup != 0, r.Lesion != nil)
	}
}

func TestTrueAverageSurfaceDistance(t *testing.T) {
	// Contours: truth {1, 4}, pred {3, 6}: distances 2, 1 and 1, 2.
	a, b := row(0, 1, 1, 1, 1, 0, 0, 0), row(0, 0, 0, 1, 1, 1, 1, 0)
	r := evaluate(t, a, b, DefaultOptions())
	require.Equal(t, &Surface{Hausdorff: 2, ContourMean: 1.5, Average: 1.5}, r.Surface)
	o := DefaultOptions()
	o.AnimaQuirks = true
	require.Equal(t, 1.25, evaluate(t, a, b, o).Surface.Average) // 2, 1 and 1, 1
}

func TestHole(t *testing.T) {
	// The wall of a hole in truth is far from pred's contour, but inside pred.
	size, spacing := [3]int{9, 9, 9}, [3]float64{1, 1, 1}
	cube := make([]int, 9*9*9)
	g := volume.Grid{Size: size}
	for k := 1; k < 8; k++ {
		for j := 1; j < 8; j++ {
			for i := 1; i < 8; i++ {
				cube[g.Index(i, j, k)] = 1
			}
		}
	}
	pred := image(size, spacing, cube)
	cube[g.Index(4, 4, 4)] = 0
	truth := image(size, spacing, cube)
	r := evaluate(t, truth, pred, DefaultOptions())
	require.Equal(t, 1.0, r.Surface.Hausdorff)
	require.InDelta(t, 12.0/(218+6), r.Surface.ContourMean, 1e-15)
}

func TestDegenerateCases(t *testing.T) {
	o := DefaultOptions()
	empty, some, small := row(0, 0, 0, 0, 0, 0), row(0, 1, 1, 1, 1, 0), row(1, 0, 0, 0, 0, 0)

	r := evaluate(t, empty, some, o)
	require.Equal(t, &Tested{Lesions: 1, VolumeMM3: 4}, r.Tested)
	require.Equal(t, &Tested{}, evaluate(t, empty, empty, o).Tested)
	o.MinLesionMM3 = 100 // without effect where the truth is empty
	require.Equal(t, 1, evaluate(t, empty, some, o).Tested.Lesions)
	o.MinLesionMM3 = 3

	// A mask that is the same everywhere marks nothing.
	full := row(5, 5, 5, 5, 5, 5)
	require.True(t, ptr(evaluate(t, full, some, o)).EmptyTruth())

	r = evaluate(t, some, empty, o)
	require.Zero(t, r.Voxel.Dice)
	require.True(t, math.IsNaN(r.Voxel.PPV))
	require.Equal(t, -100.0, r.Voxel.RelativeVolumeError)
	require.True(t, math.IsNaN(r.Surface.Hausdorff) && math.IsNaN(r.Surface.ContourMean) && math.IsNaN(r.Surface.Average))
	require.Equal(t, &LesionScores{}, r.Lesion)

	r = evaluate(t, some, small, o)
	require.Equal(t, &LesionScores{}, r.Lesion)
	require.Empty(t, r.PredLesions)

	r = evaluate(t, small, small, o)
	require.Equal(t, 1.0, r.Voxel.Dice)
	require.True(t, math.IsNaN(r.Lesion.Sensitivity))
	require.Zero(t, r.Lesion.PPV)
	require.Zero(t, r.Lesion.F1)
}

func ptr[T any](v T) *T { return &v }

func TestGammaWalksOnAfterRounding(t *testing.T) {
	// One lesion of the truth covers ten single voxels of pred: ten shares of 0.1 add
	// up to 0.9999999999999999, so that gamma 1 is not reached, and an eleventh
	// lesion without any overlap, all of it outside, is looked at.
	truth, pred := make([]int, 33*3), make([]int, 33*3)
	for i := range 20 {
		truth[33+i] = 1
		pred[33+i] = 1 - i%2
	}
	pred[32] = 1
	size := [3]int{33, 3, 1}
	o := DefaultOptions()
	o.MinLesionMM3, o.Gamma = 0, 1
	a, b := image(size, [3]float64{1, 1, 1}, truth), image(size, [3]float64{1, 1, 1}, pred)
	require.False(t, evaluate(t, a, b, o).TruthLesions[0].Found)
	o.Gamma = 0.99
	require.True(t, evaluate(t, a, b, o).TruthLesions[0].Found)
	o.Gamma = 1
	b.Data[32] = 0
	require.True(t, evaluate(t, a, b, o).TruthLesions[0].Found)
}

func TestSizeLimitIsExclusive(t *testing.T) {
	for _, c := range []struct {
		limit   float64
		spacing [3]float32
		want    float64
	}{
		{3, [3]float32{1, 1, 1}, 4}, {0, [3]float32{1, 1, 1}, 1}, {3, [3]float32{1, 1, 3}, 2},
		{3, [3]float32{0.5, 0.5, 0.8}, 15}, {3, [3]float32{0.12, 1, 1}, 26}, {1e300, [3]float32{1, 1, 1}, 1e300},
	} {
		s := [3]float64{float64(c.spacing[0]), float64(c.spacing[1]), float64(c.spacing[2])}
		require.Equal(t, c.want, LesionVoxels(c.limit, s))
	}
}
