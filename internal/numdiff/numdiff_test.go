package numdiff

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// of checks a gradient of f at x.
func of(f func(x []float64) float64, x, gradient []float64, o Options) Result {
	at := slices.Clone(x)
	in := Input{Values: x, Gradient: gradient, Set: func(v []float64) { copy(at, v) }}
	return Check(in, o, rng.New(1), func() (float64, float64) { v := f(at); return v, math.Abs(v) })
}

func TestCheck(t *testing.T) {
	cubic := func(x []float64) float64 { return x[0]*x[0]*x[0] + 2*x[1]*x[2] }
	x := []float64{1, 2, 3}
	o := Options{Steps: []float64{1e-3}, Elements: 10, Directions: 2, Relative: 1e-10, Rounding: 1e-15}
	r := of(cubic, x, []float64{3, 6, 4}, o)
	require.Equal(t, []int{5, 0}, []int{r.Slopes, r.Wrong})
	require.Less(t, r.NMSE, 1e-20)

	r = of(cubic, x, []float64{3, 6, 5}, o)
	require.Equal(t, 3, r.Wrong, "the element and both directions")
	require.InDelta(t, 1, r.Worst.Error, 1e-9)
	r = of(cubic, x, []float64{3, math.NaN(), 4}, o)
	require.Equal(t, 3, r.Wrong)
	require.True(t, math.IsNaN(r.Worst.Error))
	o.Absolute = 2
	require.Zero(t, of(cubic, x, []float64{3, 6, 5}, o).Wrong)

	require.Zero(t, of(func([]float64) float64 { return 7 }, x, make([]float64, 3), o).Wrong, "a constant")
}

// A kink within the first step is passed over by a shorter one; a wrong gradient is
// wrong at every step.
func TestKink(t *testing.T) {
	relu := func(x []float64) float64 { return max(x[0], 0) }
	o := Options{Steps: []float64{1e-3}, Elements: 1, Relative: 1e-8, Rounding: 1e-15}
	require.Equal(t, 1, of(relu, []float64{1e-4}, []float64{1}, o).Wrong)
	o.Steps = []float64{1e-3, 1e-5}
	require.Zero(t, of(relu, []float64{1e-4}, []float64{1}, o).Wrong)
	require.Equal(t, 1, of(relu, []float64{1e-4}, []float64{1.1}, o).Wrong)
}
