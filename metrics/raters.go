package metrics

import (
	"fmt"
	"math"
)

// RaterPair is one rater measured against another.
type RaterPair struct {
	Truth, Pred string // names of the raters whose masks are taken as truth and as pred
	Summary     Summary
	Cases       []Case // what the summary is made from
}

// Raters measures every rater against every other, in both directions, over the
// cases: how well experts agree, on the scale on which methods are scored. load
// returns a rater's mask of a case, once each; evaluate is Evaluate or EvaluateLabels. A
// case in which the rater taken as truth marked nothing counts as one without lesions
// (see Rule), for that pair.
//
// The pairs come with truth in the order of raters, then pred.
func Raters[M any](raters, cases []string, load func(rater, name string) (M, error), evaluate func(truth, pred M, o Options) (Result, error), o Options, b Bootstrap) ([]RaterPair, error) {
	if len(raters) < 2 {
		return nil, fmt.Errorf("rater against rater: %d raters given: it takes two", len(raters))
	}
	results := map[[2]int][]Case{}
	for _, name := range cases {
		masks := make([]M, len(raters))
		for n, rater := range raters {
			m, err := load(rater, name)
			if err != nil {
				return nil, fmt.Errorf("rater %s, case %s: %w", rater, name, err)
			}
			masks[n] = m
		}
		for t := range raters {
			for p := range raters {
				if t == p {
					continue
				}
				r, err := evaluate(masks[t], masks[p], o)
				if err != nil {
					return nil, fmt.Errorf("raters %s and %s, case %s: %w", raters[t], raters[p], name, err)
				}
				results[[2]int{t, p}] = append(results[[2]int{t, p}], Case{name, r})
			}
		}
	}
	var out []RaterPair
	for t := range raters {
		for p := range raters {
			if t == p {
				continue
			}
			s, err := Summarize(results[[2]int{t, p}], b)
			if err != nil {
				return nil, fmt.Errorf("raters %s and %s: %w", raters[t], raters[p], err)
			}
			out = append(out, RaterPair{raters[t], raters[p], s, results[[2]int{t, p}]})
		}
	}
	return out, nil
}

// RaterMean is one rater against all the others.
type RaterMean struct {
	Rater    string
	Measures []Spread // of the keys asked for, in their order
}

// AgainstOthers returns, for each rater of pairs, how the rater's masks score when
// each of the other raters is taken as the truth: per case the mean over the other
// raters for whom the measure is defined, then the mean over cases, with its
// interval. Cases come first so that an interval counts patients, not pairs.
func AgainstOthers(pairs []RaterPair, keys []string, b Bootstrap) ([]RaterMean, error) {
	var out []RaterMean
	seen := map[string]bool{}
	for _, pair := range pairs {
		rater := pair.Truth // every rater is one, in their order
		if seen[rater] {
			continue
		}
		seen[rater] = true
		m := RaterMean{Rater: rater}
		for _, key := range keys {
			s, err := Describe(key, perCase(pairs, rater, key), b)
			if err != nil {
				return nil, fmt.Errorf("rater %s, %s: %w", rater, key, err)
			}
			m.Measures = append(m.Measures, s)
		}
		out = append(out, m)
	}
	return out, nil
}

// perCase is the mean of a measure over the truths that rater is measured
// against, case by case; NaN where none defines it.
func perCase(pairs []RaterPair, rater, key string) []float64 {
	var values [][]float64
	for _, p := range pairs {
		if p.Pred != rater {
			continue
		}
		if values == nil {
			values = make([][]float64, len(p.Cases))
		}
		for n := range p.Cases {
			if v, ok := p.Cases[n].Result.Value(key); ok && !math.IsNaN(v) {
				values[n] = append(values[n], v)
			}
		}
	}
	out := make([]float64, len(values))
	for n, v := range values {
		out[n] = mean(v) // 0/0 without any
	}
	return out
}
