package metrics

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// signed is ±1 · n/100 in a fixed irregular pattern.
func signed(n int) []float64 {
	out := make([]float64, n)
	for i := 1; i <= n; i++ {
		out[i-1] = float64(i) * 0.01
		if i*i%7 < 3 {
			out[i-1] *= -1
		}
	}
	return out
}

// Values of scipy.stats.wilcoxon 1.17.1 (zero_method="wilcox", correction=False;
// method "exact" or "asymptotic").
func TestWilcoxonAgainstSciPy(t *testing.T) {
	for name, c := range map[string]struct {
		a, b      []float64
		statistic float64
		p         float64
		exact     bool
	}{
		"depression, Hollander and Wolfe": {
			[]float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30},
			[]float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}, 5, 0.0390625, true},
		"one pair":  {[]float64{1}, []float64{0}, 0, 1, true},
		"five":      {[]float64{1, 2, 3, 4, 5}, []float64{0, 0, 0, 0, 0.5}, 0, 0.0625, true},
		"balanced":  {[]float64{1, -2, -3, 4}, make([]float64, 4), 5, 1, true},
		"fifty":     {signed(50), make([]float64, 50), 343, 0.003913313547160513, true},
		"fifty-one": {signed(51), make([]float64, 51), 394, 0.01168681024032215, false},
		"ties":      {[]float64{1, -1, 2, 2, -3, 4, 5, 5}, make([]float64, 8), 6.5, 0.10603481579165039, false},
		"zeros":     {[]float64{0, 0, 1, -2, 3, 4, 5}, make([]float64, 7), 2, 0.13801073756865956, false},
		"ties and zeros": {
			[]float64{125, 115, 130, 140, 140, 115, 140, 125, 140, 135},
			[]float64{110, 122, 125, 120, 140, 124, 123, 137, 135, 145}, 18, 0.5936305914425295, false},
	} {
		w, err := WilcoxonSignedRank(c.a, c.b)
		require.NoError(t, err, name)
		require.Equal(t, c.statistic, min(w.Plus, w.Minus), name)
		require.Equal(t, c.exact, w.Exact, name)
		require.InEpsilon(t, c.p, w.P, 1e-12, name)
		n := float64(w.N)
		require.Equal(t, n*(n+1)/2, w.Plus+w.Minus, name)

		swapped, err := WilcoxonSignedRank(c.b, c.a)
		require.NoError(t, err)
		require.Equal(t, w.P, swapped.P)
		require.Equal(t, w.Plus, swapped.Minus)
	}
}

// The two-sided critical values at 5 % and 1 % of the published tables: the
// largest W that is significant.
func TestWilcoxonAgainstTables(t *testing.T) {
	for n, w := range map[int][2]int{8: {3, 0}, 10: {8, 3}, 15: {25, 15}, 20: {52, 37}, 25: {89, 68}, 30: {137, 109}, 50: {434, 373}} {
		for k, level := range []float64{0.05, 0.01} {
			require.LessOrEqual(t, exactP(n, w[k]), level, "n = %d", n)
			require.Greater(t, exactP(n, w[k]+1), level, "n = %d", n)
		}
	}
}

// All sign patterns, counted one by one.
func TestWilcoxonExactByEnumeration(t *testing.T) {
	for n := 1; n <= 12; n++ {
		total := n * (n + 1) / 2
		count := make([]int, total+1)
		for signs := range 1 << n {
			w := 0
			for r := range n {
				if signs>>r&1 == 1 {
					w += r + 1
				}
			}
			count[w]++
		}
		below := 0
		for w := range total/2 + 1 {
			below += count[w]
			require.Equal(t, min(1, 2*float64(below)/float64(int(1)<<n)), exactP(n, w))
		}
	}
}

func TestWilcoxonWithoutDifferences(t *testing.T) {
	w, err := WilcoxonSignedRank([]float64{1, 2}, []float64{1, 2})
	require.NoError(t, err)
	require.Equal(t, Wilcoxon{Zeros: 2, P: 1}, w)
}

func TestWilcoxonRefuses(t *testing.T) {
	_, err := WilcoxonSignedRank([]float64{1}, []float64{1, 2})
	require.ErrorContains(t, err, "1 values against 2")
	_, err = WilcoxonSignedRank(nil, nil)
	require.ErrorContains(t, err, "no pairs")
	_, err = WilcoxonSignedRank([]float64{1, math.NaN()}, []float64{1, 2})
	require.ErrorContains(t, err, "pair 2")
	_, err = WilcoxonSignedRank([]float64{math.Inf(1)}, []float64{1})
	require.ErrorContains(t, err, "pair 1")
}

func TestHolm(t *testing.T) {
	// R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
	requireClose(t, []float64{0.03, 0.06, 0.06, 0.02}, Holm([]float64{0.01, 0.04, 0.03, 0.005}))
	requireClose(t, []float64{1, 1, 1}, Holm([]float64{0.5, 0.9, 0.6}))
	requireClose(t, []float64{0.02, math.NaN(), 0.2}, Holm([]float64{0.01, math.NaN(), 0.2}))
	require.Empty(t, Holm(nil))
}

func requireClose(t *testing.T, want, got []float64) {
	t.Helper()
	require.Len(t, got, len(want))
	for n := range want {
		if math.IsNaN(want[n]) {
			require.True(t, math.IsNaN(got[n]))
		} else {
			require.InDelta(t, want[n], got[n], 1e-15)
		}
	}
}

// Values of scipy.stats.bootstrap 1.17.1 with two million resamples; those of
// 20000 differ by chance.
func TestBootstrapAgainstSciPy(t *testing.T) {
	even := []float64{0.51, 0.62, 0.12, 0.75, 0.44, 0.91, 0.33, 0.58, 0.05, 0.67}
	skewed := []float64{0.1, 0.2, 0.15, 3, 0.3, 0.12, 5, 0.05, 0.22, 0.4, 0.31, 1.2}
	for _, c := range []struct {
		x              []float64
		level          float64
		percentile     bool
		lo, hi, within float64
	}{
		{even, 0.95, true, 0.335, 0.652, 0.005},
		{even, 0.95, false, 0.326, 0.645, 0.005},
		{skewed, 0.9, true, 0.2833, 1.6833, 0.03},
		{skewed, 0.9, false, 0.4092, 1.965, 0.03},
	} {
		b := Bootstrap{Resamples: 20000, Level: c.level, Seed: 5, Percentile: c.percentile}
		lo, hi, err := b.Interval(c.x, mean)
		require.NoError(t, err)
		require.InDelta(t, c.lo, lo, c.within)
		require.InDelta(t, c.hi, hi, c.within)
	}
}

func TestBootstrapCoversTheMean(t *testing.T) {
	s := rng.New(11, "coverage")
	covered, trials := 0, 300
	for range trials {
		x := make([]float64, 30)
		for n := range x {
			x[n] = 2 + s.Normal()
		}
		lo, hi, err := Bootstrap{Resamples: 400, Level: 0.9, Seed: s.Uint64()}.Interval(x, mean)
		require.NoError(t, err)
		if lo <= 2 && 2 <= hi {
			covered++
		}
	}
	// 90 % nominal; the standard error over 300 trials is 1.7 %.
	require.InDelta(t, 0.88, float64(covered)/float64(trials), 0.05)
}

func TestBootstrapIsDeterministic(t *testing.T) {
	x := []float64{0.3, 0.1, 0.9, 0.4, 0.5, 0.45}
	lo, hi, err := DefaultBootstrap().Interval(x, mean)
	require.NoError(t, err)
	lo2, hi2, _ := DefaultBootstrap().Interval(x, mean)
	require.Equal(t, [2]float64{lo, hi}, [2]float64{lo2, hi2})
	other := DefaultBootstrap()
	other.Seed, other.Resamples = 1, 101
	lo3, _, _ := other.Interval(x, mean)
	require.NotEqual(t, lo, lo3)
}

func TestBootstrapEdges(t *testing.T) {
	b := DefaultBootstrap()
	for _, x := range [][]float64{nil, {1}} {
		lo, hi, err := b.Interval(x, mean)
		require.NoError(t, err)
		require.True(t, math.IsNaN(lo) && math.IsNaN(hi))
	}
	lo, hi, err := b.Interval([]float64{0.1, 0.1, 0.1}, mean)
	require.NoError(t, err)
	require.InDelta(t, 0.1, lo, 1e-15)
	require.Equal(t, lo, hi)

	// One value far out makes the acceleration 1/6, its largest value; seven
	// standard deviations are past the pole.
	far := make([]float64, 200)
	far[0] = 1
	lo, hi, ok := accelerate(far, mean, []float64{0, 0, 0.005, 0.01, 0.015}, 1e-12, 1-1e-12)
	require.True(t, ok)
	require.Equal(t, 1.0, hi)
	require.Less(t, lo, 0.01)

	// Sums of 0.1, 0.2 and 0.3 differ by the order: all are equal to their mean. The
	// 27 resamples of symmetric values need no correction.
	x := []float64{0.1, 0.2, 0.3}
	var all []float64
	for n := range 27 {
		all = append(all, mean([]float64{x[n%3], x[n/3%3], x[n/9]}))
	}
	slices.Sort(all)
	lo, hi, ok = accelerate(x, mean, all, 0.05, 0.95)
	require.True(t, ok)
	require.InDelta(t, 0.05, lo, 1e-9)
	require.InDelta(t, 0.95, hi, 1e-9)

	_, _, err = b.Interval([]float64{1, math.NaN()}, mean)
	require.ErrorContains(t, err, "value 2")
	b.Level = 1
	_, _, err = b.Interval([]float64{1, 2}, mean)
	require.ErrorContains(t, err, "level 1")
	_, _, err = Bootstrap{Level: 0.9}.Interval([]float64{1, 2}, mean)
	require.ErrorContains(t, err, "0 resamples")
}
