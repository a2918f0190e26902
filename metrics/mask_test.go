package metrics

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
	"voxgrad/volume"
)

func mask(t *testing.T, v *volume.Volume) *volume.Mask {
	m, err := v.Mask()
	require.NoError(t, err)
	return m
}

func requireSame(t *testing.T, want, got Result) {
	require.True(t, sameMeasures(want, got))
	require.Equal(t, want.TruthLesions, got.TruthLesions)
	require.Equal(t, want.PredLesions, got.PredLesions)
}

func TestMasksAreMeasuredAsTheirImages(t *testing.T) {
	s := rng.New(3)
	for range 40 {
		size := [3]int{3 + s.Intn(6), 3 + s.Intn(6), 3 + s.Intn(6)}
		a, b := image(size, [3]float64{1, 0.5, 2}, randomLabels(s, size, 1)), image(size, [3]float64{1, 0.5, 2}, randomLabels(s, size, 1))
		want := evaluate(t, a, b, DefaultOptions())
		got, err := Evaluate(mask(t, a), mask(t, b), DefaultOptions())
		require.NoError(t, err)
		requireSame(t, want, got)
	}
	full, some := mask(t, row(1, 1, 1, 1)), mask(t, row(0, 1, 1, 1))
	r, err := Evaluate(full, some, DefaultOptions())
	require.NoError(t, err)
	require.True(t, r.EmptyTruth(), "a mask without background is an empty one, as the tool has it")
	_, err = Evaluate(some, mask(t, row(0, 1, 1)), DefaultOptions())
	require.ErrorContains(t, err, "different grids")
}

// A prediction stored with other axes is the same prediction.
func TestOtherOrdersOfOneGridAreMatchedInTheWorld(t *testing.T) {
	s := rng.New(5)
	size := [3]int{5, 7, 6}
	spacing := [3]float64{1, 0.8, 1.2}
	truth, pred := image(size, spacing, randomLabels(s, size, 2)), image(size, spacing, randomLabels(s, size, 2))
	for d := range 3 {
		truth.Affine[d][3] = float64(10 * d)
		pred.Affine[d][3] = float64(10 * d)
	}
	one := func(v *volume.Volume) *volume.Mask { return v.Above(0.5) }
	labels := evaluate(t, truth, pred, DefaultOptions())
	binary, err := Evaluate(one(truth), one(pred), DefaultOptions())
	require.NoError(t, err)
	n := 0
	for _, p := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for flips := range 8 {
			other := volume.Grid{}
			for c, r := range p { // array axis c of the other is axis r of pred
				other.Size[c] = size[r]
				step, start := spacing[r], float64(10*r)
				if flips>>c&1 == 1 {
					start += step * float64(size[r]-1)
					step = -step
				}
				other.Affine[r][c] = step
				other.Affine[r][3] = start
			}
			moved := volume.Resample(pred, other, volume.Nearest, 0)
			r, err := EvaluateLabels(truth, moved, DefaultOptions())
			require.NoError(t, err)
			requireSame(t, labels, r)
			r, err = Evaluate(one(truth), one(moved), DefaultOptions())
			require.NoError(t, err)
			requireSame(t, binary, r)
			n++
		}
	}
	require.Equal(t, 48, n)
}

func TestLesionVoxels(t *testing.T) {
	f := func(x float32) float64 { return float64(x) }
	for _, c := range []struct {
		spacing [3]float64
		want    float64
	}{
		{[3]float64{1, 1, 1}, 4},
		{[3]float64{f(1.0000001), f(1.0000001), f(1.0000001)}, 4},          // 3 voxels are nominally 3 mm³
		{[3]float64{0.9999999, 1.0000001, 1}, 4},                           // a rotated grid
		{[3]float64{0.99999, 0.99999, 0.99999}, 4},                         // 2.9999 mm³ and 3.9999
		{[3]float64{1.00001, 1.00001, 1.00001}, 3},                         // 3 voxels are 3.0001 mm³
		{[3]float64{1, 1, 3.0000002}, 2},                                   // nominally 3 mm³
		{[3]float64{f(0.5), f(0.5), f(0.8)}, 15},                           // 0.8 is above 0.8 as a 32-bit float, as the tool sees it
		{[3]float64{0.5, 0.5000001, 0.7999999}, 15},                        // and so on a rotated grid
		{[3]float64{f(0.12), 1, 1}, 26},                                    // 0.12 is below
		{[3]float64{0.9375, 0.9375, 0.9375}, 4},                            // 2.47 mm³ and 3.30
		{[3]float64{1.234567, 1, 1}, 3},                                    // no nominal number near
		{[3]float64{2e-6, 1, 1}, math.Floor(3/2e-6) + 1},                   //
		{[3]float64{1e-6, 1e-6, 1e-6}, math.Floor(3 / 1e-6 / 1e-6 / 1e-6)}, // no digit left to add 1 to
	} {
		require.InEpsilon(t, c.want, LesionVoxels(3, c.spacing), 1e-9, "%v", c.spacing)
	}
	require.Equal(t, 1.0, LesionVoxels(0, [3]float64{1, 1, 1}))
}
