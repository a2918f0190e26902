package metrics

import (
	"encoding/json"
	"fmt"
	"math"
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
