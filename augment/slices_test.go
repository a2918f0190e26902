package augment

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSlicesOfAVoxelChangeNothing(t *testing.T) {
	for _, up := range []string{Linear, BSpline3} {
		s := Slices{Thickness: 1, Step: 1, Start: 0.5, Up: up}
		x := []float64{3, 1, 4, 1, 5, 9, 2}
		require.InDeltaSlice(t, x, s.matrix(7).times(x), 1e-12)
	}
}

func TestSlicesAverage(t *testing.T) {
	s := Slices{Thickness: 2, Step: 2, Start: 1, Up: Linear}
	x := []float64{1, 3, 5, 7, 2, 2}
	// means 2, 6, 2 at positions 0.5, 2.5, 4.5
	require.InDeltaSlice(t, []float64{2, 3, 5, 5, 3, 2}, s.matrix(6).times(x), 1e-12)
	gap := Slices{Thickness: 1, Step: 3, Start: 0.5, Up: Linear} // voxels 0 and 3 alone
	require.InDeltaSlice(t, []float64{0, 2, 4, 6, 6, 6}, gap.matrix(6).times([]float64{0, 99, 99, 6, 99, 99}), 1e-12)
	part := Slices{Thickness: 1.5, Step: 2, Start: 0.75, Up: Linear} // a whole voxel and half of the next
	y := part.matrix(4).times([]float64{3, 6, 0, 0})
	require.InDelta(t, (3+0.5*6)/1.5, y[0], 1e-12)
}

func TestSlicesKeepConstants(t *testing.T) {
	for _, s := range []Slices{{Thickness: 4.7, Step: 6.1, Start: 2.2, Up: Linear}, {Thickness: 8, Step: 3, Start: 0, Up: BSpline3},
		{Thickness: 0.3, Step: 0.7, Start: 0.1, Up: Linear}, {Thickness: 30, Step: 40, Start: 20, Up: BSpline3}} {
		for _, n := range []int{1, 2, 9, 64} {
			x := make([]float64, n)
			for i := range x {
				x[i] = 2.5
			}
			require.InDeltaSlice(t, x, s.matrix(n).times(x), 1e-9, "%v of %d", s, n)
		}
	}
}

func TestSlicesRefuse(t *testing.T) {
	size := [3]int{4, 4, 4}
	good := Slices{Axis: 2, Thickness: 3, Step: 3, Start: 1, Up: Linear}
	require.NoError(t, good.Check(size))
	for want, change := range map[string]func(s *Slices){
		"thickness": func(s *Slices) { s.Thickness = 0 },
		"step":      func(s *Slices) { s.Step = 0 },
		"start":     func(s *Slices) { s.Start = 4 },
		"up":        func(s *Slices) { s.Up = "cubic" },
		"axis":      func(s *Slices) { s.Axis = 3 },
	} {
		s := good
		change(&s)
		require.ErrorContains(t, s.Check(size), want)
	}
}
