package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
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
