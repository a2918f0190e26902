package metrics

import (
	"fmt"

	"voxgrad/volume"
)

// RaterPair is one rater measured against another.
type RaterPair struct {
	Truth, Pred string // names of the raters whose masks are taken as truth and as pred
	Summary     Summary
}

// Raters measures every rater against every other, in both directions, over the
// cases: how well experts agree, on the scale on which methods are scored. load
// gives a rater's mask of a case; each is loaded once. A case in which the rater taken as truth marked
// nothing counts as one without lesions (see Rule), for that pair.
//
// The pairs come with truth in the order of raters, then pred.
func Raters(raters, cases []string, load func(rater, name string) (*volume.Volume, error), o Options, b Bootstrap) ([]RaterPair, error) {
	if len(raters) < 2 {
		return nil, fmt.Errorf("rater against rater: %d raters given: it takes two", len(raters))
	}
	results := map[[2]int][]Case{}
	for _, name := range cases {
		masks := make([]*volume.Volume, len(raters))
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
				r, err := Evaluate(masks[t], masks[p], o)
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
			out = append(out, RaterPair{raters[t], raters[p], s})
		}
	}
	return out, nil
}
