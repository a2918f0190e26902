package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"voxgrad/internal/rng"
)

// Case is the result of one patient.
type Case struct {
	Name   string
	Result Result
}

// Rule states how Summarize averages; print it beside the averages.
const Rule = "Cases with lesions in the truth: mean of each measure over those cases. " +
	"Cases without (empty truth): mean number (tested_lesions) and volume in mm³ (tested_volume) of predicted lesions above 3 mm³, " +
	"and no other measure. Undefined values (0/0) are left out of their mean; n counts what went in."

// Spread describes one measure over cases.
type Spread struct {
	Key       string  `json:"key"`
	N         int     `json:"n"`         // values
	Undefined int     `json:"undefined"` // NaNs left out
	Mean      float64 `json:"mean"`      // NaN without any value
	SD        float64 `json:"sd"`        // of the sample (n − 1); NaN below two values
	Median    float64 `json:"median"`
	Low       float64 `json:"low"` // confidence interval of the mean; NaN below two values
	High      float64 `json:"high"`
}

// Summary is what the challenge reports over its cases.
type Summary struct {
	With     int      `json:"cases_with_lesions"`
	Without  int      `json:"cases_without_lesions"`
	Measures []Spread `json:"measures"` // of the cases with lesions, then tested_lesions and tested_volume of those without
	Rule     string   `json:"rule"`
}

// counts are the keys that say what a case is, not how good a mask is.
var counts = map[string]bool{"truth_lesions": true, "pred_lesions": true}

// Summarize averages each measure under Rule, with bootstrap intervals of the
// means. A measure that only some cases with lesions have is averaged over those.
func Summarize(cases []Case, b Bootstrap) (Summary, error) {
	s := Summary{Rule: Rule}
	values := map[string][]float64{}
	var keys, last []string
	for _, c := range cases {
		empty := c.Result.EmptyTruth()
		if empty {
			s.Without++
		} else {
			s.With++
		}
		for _, m := range c.Result.Measures() {
			tested := m.Key == "tested_lesions" || m.Key == "tested_volume"
			if counts[m.Key] || tested != empty {
				continue
			}
			if _, seen := values[m.Key]; !seen {
				if empty {
					last = append(last, m.Key)
				} else {
					keys = append(keys, m.Key)
				}
			}
			values[m.Key] = append(values[m.Key], m.Value)
		}
	}
	for _, key := range append(keys, last...) {
		spread, err := Describe(key, values[key], b)
		if err != nil {
			return Summary{}, fmt.Errorf("%s: %w", key, err)
		}
		s.Measures = append(s.Measures, spread)
	}
	return s, nil
}

// Measure is the spread of that key; ok is false where no case has it.
func (s Summary) Measure(key string) (spread Spread, ok bool) {
	n := slices.IndexFunc(s.Measures, func(m Spread) bool { return m.Key == key })
	if n < 0 {
		return Spread{}, false
	}
	return s.Measures[n], true
}

// Describe summarises values; NaNs are left out and counted.
func Describe(key string, values []float64, b Bootstrap) (Spread, error) {
	nan := math.NaN()
	s := Spread{Key: key, Mean: nan, SD: nan, Median: nan, Low: nan, High: nan}
	var x []float64
	for _, v := range values {
		if math.IsNaN(v) {
			s.Undefined++
		} else {
			x = append(x, v)
		}
	}
	s.N = len(x)
	if s.N == 0 {
		return s, nil
	}
	var err error
	if s.Low, s.High, err = b.Interval(x, mean); err != nil {
		return s, err
	}
	s.Mean = mean(x)
	if s.N > 1 {
		s.SD = stat.StdDev(x, nil)
	}
	slices.Sort(x)
	s.Median = quantile(x, 0.5)
	return s, nil
}

// MarshalJSON writes null for NaN.
func (s Spread) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Key       string `json:"key"`
		N         int    `json:"n"`
		Undefined int    `json:"undefined"`
		Mean      number `json:"mean"`
		SD        number `json:"sd"`
		Median    number `json:"median"`
		Low       number `json:"low"`
		High      number `json:"high"`
	}{s.Key, s.N, s.Undefined, number(s.Mean), number(s.SD), number(s.Median), number(s.Low), number(s.High)})
}

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
