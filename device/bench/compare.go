package bench

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// Change is a case in two reports.
type Change struct {
	Name       string
	What       string // "time", or kernel and count
	Was, Is    float64
	Ratio      float64 // Is / Was
	Regression bool
}

// Changes is what became of an earlier report.
type Changes struct {
	Cases   []Change
	Missing []string // cases of the earlier report that the later one lacks
	New     []string // and the other way round
}

// Regressions are the changes for the worse beyond the margin.
func (c Changes) Regressions() []Change {
	return slices.DeleteFunc(slices.Clone(c.Cases), func(x Change) bool { return !x.Regression })
}

// Compare sets a report against an earlier one of the same device: medians where
// there are times, every count of every kernel where there are counts. More than
// 1+margin of what it was is a regression. A report of counts against one of times
// is an error, and so is one that has no case in common.
func Compare(was, is *Report, margin float64) (Changes, error) {
	var c Changes
	if !(margin >= 0) || math.IsInf(margin, 0) {
		return c, fmt.Errorf("a margin of %g: write a fraction such as 0.10", margin)
	}
	if was.Counted != is.Counted {
		kind := map[bool]string{false: "times", true: "counts"}
		return c, fmt.Errorf("the earlier report (%s) has %s, this one (%s) %s", was.Device, kind[was.Counted], is.Device, kind[is.Counted])
	}
	before := map[string]Result{}
	for _, r := range was.Results {
		before[r.Name] = r
	}
	change := func(name, what string, a, b float64) {
		x := Change{Name: name, What: what, Was: a, Is: b, Ratio: 1}
		if a != b {
			x.Ratio = b / a
		}
		x.Regression = b > a*(1+margin)
		c.Cases = append(c.Cases, x)
	}
	common := 0
	for _, r := range is.Results {
		old, ok := before[r.Name]
		if !ok {
			c.New = append(c.New, r.Name)
			continue
		}
		delete(before, r.Name)
		common++
		if !is.Counted {
			change(r.Name, "time", old.Median, r.Median)
			continue
		}
		kernels := maps.Clone(old.Counts)
		if kernels == nil {
			kernels = map[string]Counts{}
		}
		maps.Copy(kernels, r.Counts) // for the names
		for _, kernel := range slices.Sorted(maps.Keys(kernels)) {
			counts := map[string]bool{}
			for k := range old.Counts[kernel] {
				counts[k] = true
			}
			for k := range r.Counts[kernel] {
				counts[k] = true
			}
			for _, k := range slices.Sorted(maps.Keys(counts)) {
				change(r.Name, kernel+" "+k, float64(old.Counts[kernel][k]), float64(r.Counts[kernel][k]))
			}
		}
	}
	for _, r := range was.Results {
		if _, ok := before[r.Name]; ok {
			c.Missing = append(c.Missing, r.Name)
		}
	}
	if common == 0 {
		return c, fmt.Errorf("the two reports have no case in common")
	}
	return c, nil
}
