package metrics

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"voxgrad/internal/rng"
)

// Bootstrap are the parameters of confidence intervals. Start from
// DefaultBootstrap.
type Bootstrap struct {
	Resamples  int     // at least 100
	Level      float64 // coverage, in (0, 1)
	Seed       uint64  // the same seed gives the same interval
	Percentile bool    // plain percentile interval instead of BCa
}

// DefaultBootstrap is 95 % BCa intervals from 10000 resamples.
func DefaultBootstrap() Bootstrap { return Bootstrap{Resamples: 10000, Level: 0.95} }

// Interval is the confidence interval of statistic(x) for values drawn with
// replacement from x (B. Efron, "Better bootstrap confidence intervals", JASA
// 1987: bias-corrected and accelerated; the acceleration is from the jackknife).
// Percentiles of the resampled statistics are interpolated linearly.
//
// With fewer than two values both ends are NaN. Where all resamples, or all values
// left out one at a time, give the same statistic, BCa is undefined and the
// percentile interval is returned. statistic must not keep or change its argument.
func (b Bootstrap) Interval(x []float64, statistic func([]float64) float64) (lo, hi float64, err error) {
	if b.Resamples < 100 || !(b.Level > 0 && b.Level < 1) {
		return 0, 0, fmt.Errorf("bootstrap: %d resamples at level %v: at least 100 are needed and a level between 0 and 1", b.Resamples, b.Level)
	}
	for n, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return 0, 0, fmt.Errorf("bootstrap: value %d is %v: leave undefined values out", n+1, v)
		}
	}
	if len(x) < 2 {
		return math.NaN(), math.NaN(), nil
	}
	s := rng.New(b.Seed, "bootstrap")
	drawn := make([]float64, len(x))
	values := make([]float64, b.Resamples)
	for n := range values {
		for i := range drawn {
			drawn[i] = x[s.Intn(len(x))]
		}
		values[n] = statistic(drawn)
	}
	slices.Sort(values)
	pLo, pHi := (1-b.Level)/2, (1+b.Level)/2
	if !b.Percentile {
		if l, h, ok := accelerate(x, statistic, values, pLo, pHi); ok {
			pLo, pHi = l, h
		}
	}
	return quantile(values, pLo), quantile(values, pHi), nil
}

// accelerate moves two percentiles for bias and acceleration.
func accelerate(x []float64, statistic func([]float64) float64, sorted []float64, pLo, pHi float64) (lo, hi float64, ok bool) {
	// The share of resamples below the statistic, equal ones counted half. Equal
	// means up to rounding: a sum depends on the order in which values were drawn.
	theta := statistic(x)
	slack := 1e-12 * max(math.Abs(sorted[0]), math.Abs(sorted[len(sorted)-1]))
	below, _ := slices.BinarySearch(sorted, theta-slack)
	upTo, _ := slices.BinarySearch(sorted, math.Nextafter(theta+slack, math.Inf(1)))
	share := float64(below+upTo) / 2 / float64(len(sorted))
	if !(share > 0 && share < 1) {
		return 0, 0, false
	}
	left := make([]float64, len(x))
	rest := make([]float64, len(x)-1)
	for n := range x {
		copy(rest, x[:n])
		copy(rest[n:], x[n+1:])
		left[n] = statistic(rest)
	}
	centre := mean(left)
	var square, cube float64
	for _, v := range left {
		d := centre - v
		square += d * d
		cube += d * d * d
	}
	if square == 0 {
		return 0, 0, false
	}
	a := cube / (6 * math.Pow(square, 1.5))
	z0 := distuv.UnitNormal.Quantile(share)
	move := func(p float64) float64 {
		z := z0 + distuv.UnitNormal.Quantile(p)
		if a*z >= 1 { // past the pole
			if z > 0 {
				return 1
			}
			return 0
		}
		return distuv.UnitNormal.CDF(z0 + z/(1-a*z))
	}
	return move(pLo), move(pHi), true
}

// quantile interpolates between order statistics; sorted ascends.
func quantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	n := min(int(at), len(sorted)-1)
	if n+1 == len(sorted) {
		return sorted[n]
	}
	return sorted[n] + (at-float64(n))*(sorted[n+1]-sorted[n])
}
