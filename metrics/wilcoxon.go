package metrics

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Wilcoxon is the outcome of a signed-rank test of paired values.
type Wilcoxon struct {
	N     int     // pairs with a difference
	Zeros int     // pairs without one; they are left out
	Plus  float64 // sum of the ranks of the positive differences
	Minus float64 // and of the negative ones
	P     float64 // two-sided
	Exact bool    // P is exact; else from the normal approximation
}

// exactLimit is the largest number of pairs for which P is computed exactly.
const exactLimit = 50

// WilcoxonSignedRank tests whether the differences a[n] − b[n] are symmetric about
// 0 (F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin
// 1945), two-sided.
//
// Pairs without a difference are left out, as Wilcoxon did; equal absolute
// differences share the mean of their ranks. P is exact for at most 50 pairs with
// neither zero nor equal absolute differences, from the number of the 2^n sign
// patterns whose smaller rank sum is as small. Otherwise P comes from the normal
// distribution with the variance corrected for ties and without a continuity
// correction. Where no pair differs, P is 1.
//
// The lengths must agree and be above 0; NaN and infinite values are refused.
func WilcoxonSignedRank(a, b []float64) (Wilcoxon, error) {
	if len(a) != len(b) {
		return Wilcoxon{}, fmt.Errorf("signed-rank test: %d values against %d: it takes pairs", len(a), len(b))
	}
	if len(a) == 0 {
		return Wilcoxon{}, fmt.Errorf("signed-rank test: there are no pairs")
	}
	var w Wilcoxon
	var differences []float64
	for n := range a {
		d := a[n] - b[n]
		switch {
		case math.IsNaN(d) || math.IsInf(d, 0):
			return Wilcoxon{}, fmt.Errorf("signed-rank test: pair %d is %v and %v: leave undefined values out", n+1, a[n], b[n])
		case d == 0:
			w.Zeros++
		default:
			differences = append(differences, d)
		}
	}
	w.N = len(differences)
	if w.N == 0 {
		w.P = 1
		return w, nil
	}
	ties := w.rank(differences)
	w.Exact = w.Zeros == 0 && ties == 0 && w.N <= exactLimit
	smaller := min(w.Plus, w.Minus)
	if w.Exact {
		w.P = exactP(w.N, int(smaller))
		return w, nil
	}
	n := float64(w.N)
	sd := math.Sqrt(n*(n+1)*(2*n+1)/24 - ties/48)
	z := (smaller - n*(n+1)/4) / sd
	w.P = min(1, 2*distuv.UnitNormal.CDF(z))
	return w, nil
}

// rank sets Plus and Minus and returns Σ t³ − t over the groups of t equal
// absolute differences.
func (w *Wilcoxon) rank(d []float64) (ties float64) {
	slices.SortFunc(d, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	for lo := 0; lo < len(d); {
		hi := lo + 1
		for hi < len(d) && math.Abs(d[hi]) == math.Abs(d[lo]) {
			hi++
		}
		rank := float64(lo+1+hi) / 2
		for _, v := range d[lo:hi] {
			if v > 0 {
				w.Plus += rank
			} else {
				w.Minus += rank
			}
		}
		t := float64(hi - lo)
		ties += t*t*t - t
		lo = hi
	}
	return ties
}

// exactP is twice the probability that the sum of those ranks of 1..n whose sign
// is positive is at most w, each sign being a fair coin; at most 1.
func exactP(n, w int) float64 {
	// ways[s] is the number of subsets of the ranks so far with sum s: below 2^50,
	// hence exact.
	ways := make([]float64, w+1)
	ways[0] = 1
	for rank := 1; rank <= n; rank++ {
		for s := w; s >= rank; s-- {
			ways[s] += ways[s-rank]
		}
	}
	return min(1, 2*sum(ways)/math.Exp2(float64(n)))
}
