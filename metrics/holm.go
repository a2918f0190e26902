package metrics

import (
	"cmp"
	"slices"
)

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
