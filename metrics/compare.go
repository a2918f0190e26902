package metrics

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Comparison sets two methods side by side in one measure, over the cases for
// which both have a value.
type Comparison struct {
	Key          string
	N            int      // pairs
	Undefined    int      // cases left out, because one of the two values is NaN or absent
	MeanA, MeanB float64  // over the pairs
	Difference   float64  // mean of a − b
	Low, High    float64  // bootstrap interval of the mean of a − b
	Test         Wilcoxon // of a against b; P is NaN without pairs
	Adjusted     float64  // P after Holm's correction over all keys compared
}

// Compare tests method a against method b in each of the measures, patient by
// patient. Both must hold the same cases, by name, in any order. P-values are
// adjusted over the keys given, so name only those that the question is about.
func Compare(a, b []Case, keys []string, boot Bootstrap) ([]Comparison, error) {
	pairs, err := pair(a, b)
	if err != nil {
		return nil, err
	}
	var out []Comparison
	var p []float64
	for _, key := range keys {
		c := Comparison{Key: key}
		var x, y, d []float64
		for _, pr := range pairs {
			u, okU := pr[0].Value(key)
			v, okV := pr[1].Value(key)
			if !okU || !okV || math.IsNaN(u) || math.IsNaN(v) {
				c.Undefined++
				continue
			}
			x, y, d = append(x, u), append(y, v), append(d, u-v)
		}
		c.N = len(x)
		c.MeanA, c.MeanB, c.Difference = mean(x), mean(y), mean(d)
		c.Test.P, c.Low, c.High = math.NaN(), math.NaN(), math.NaN()
		if c.N > 0 {
			if c.Test, err = WilcoxonSignedRank(x, y); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			if c.Low, c.High, err = boot.Interval(d, mean); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		out = append(out, c)
		p = append(p, c.Test.P)
	}
	for n, q := range Holm(p) {
		out[n].Adjusted = q
	}
	return out, nil
}

// Marks are the usual stars of a p-value: *** below 0.001, ** below 0.01, * below
// 0.05, none otherwise and for NaN.
func Marks(p float64) string {
	switch {
	case p < 0.001:
		return "***"
	case p < 0.01:
		return "**"
	case p < 0.05:
		return "*"
	}
	return ""
}

// pair matches cases by name, in the order of a.
func pair(a, b []Case) ([][2]*Result, error) {
	byName := map[string]*Result{}
	for n := range b {
		if byName[b[n].Name] != nil {
			return nil, fmt.Errorf("comparison: the second method has case %q twice", b[n].Name)
		}
		byName[b[n].Name] = &b[n].Result
	}
	var out [][2]*Result
	seen := map[string]bool{}
	for n := range a {
		name := a[n].Name
		other := byName[name]
		switch {
		case seen[name]:
			return nil, fmt.Errorf("comparison: the first method has case %q twice", name)
		case other == nil:
			return nil, fmt.Errorf("comparison: case %q is missing from the second method", name)
		}
		seen[name] = true
		out = append(out, [2]*Result{&a[n].Result, other})
	}
	for _, c := range b {
		if !seen[c.Name] {
			return nil, fmt.Errorf("comparison: case %q is missing from the first method", c.Name)
		}
	}
	return out, nil
}

// MarshalJSON writes null for NaN.
func (c Comparison) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Key       string `json:"key"`
		N         int    `json:"n"`
		Undefined int    `json:"undefined"`
		MeanA     number `json:"mean_a"`
		MeanB     number `json:"mean_b"`
		Diff      number `json:"difference"`
		Low       number `json:"difference_low"`
		High      number `json:"difference_high"`
		P         number `json:"p"`
		Exact     bool   `json:"exact"`
		Adjusted  number `json:"p_holm"`
	}{c.Key, c.N, c.Undefined, number(c.MeanA), number(c.MeanB), number(c.Difference), number(c.Low), number(c.High),
		number(c.Test.P), c.Test.Exact, number(c.Adjusted)})
}

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

// Holm adjusts p-values for being several (S. Holm, "A simple sequentially
// rejective multiple test procedure", Scand. J. Statist. 1979): the result, in the
// order of p, is to be compared with the level wanted for the whole family. NaNs
// stay NaN and do not count as tests.
func Holm(p []float64) []float64 {
	out := slices.Clone(p)
	order := make([]int, 0, len(p))
	for n, v := range p {
		if v == v {
			order = append(order, n)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	least := 0.0 // adjusted values never decrease
	for k, n := range order {
		least = max(least, min(1, float64(len(order)-k)*p[n]))
		out[n] = least
	}
	return out
}
