package bench

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"voxgrad/device/bench"
	"voxgrad/report"
)

func timeTable(r *bench.Report) *report.Table {
	tenth, hundredth := report.Unit{Digits: 1}, report.Unit{Digits: 2}
	t := &report.Table{Title: r.Device, Columns: []report.Column{
		{Name: "case"}, {Name: "median"}, {Name: "quartiles"}, {Name: "samples"},
		{Name: "GFLOP/s", Unit: tenth}, {Name: "GB/s", Unit: hundredth}, {Name: "roofline", Unit: report.Percent},
	}}
	for _, x := range r.Results {
		var flops, share any
		if x.Flops > 0 {
			flops = x.GFlops()
		}
		if x.Roofline > 0 {
			share = x.Roofline
		}
		t.Add(x.Name, duration(x.Median), duration(x.Q1)+" … "+duration(x.Q3), len(x.Seconds), flops, x.GBytes(), share)
	}
	t.Note = fmt.Sprintf("Ceilings: %s, copy %.1f GB/s. %.0f MB written between samples. Timed by the %s. %s",
		fmaText(r.FMA), r.Copy, float64(r.Flush)/1e6, r.Timing, r.Note)
	return t
}

func fmaText(gflops float64) string {
	if gflops == 0 {
		return "multiply-adds not known"
	}
	return fmt.Sprintf("multiply-adds %.1f GFLOP/s", gflops)
}

// duration writes a time with three or four digits.
func duration(seconds float64) string {
	d := time.Duration(seconds * 1e9)
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.3f s", seconds)
	case d >= time.Millisecond:
		return fmt.Sprintf("%.2f ms", seconds*1e3)
	}
	return fmt.Sprintf("%.2f µs", seconds*1e6)
}

// countTable has a line for each kernel of each case.
func countTable(r *bench.Report) *report.Table {
	names := map[string]bool{}
	for _, x := range r.Results {
		for _, c := range x.Counts {
			for k := range c {
				names[k] = true
			}
		}
	}
	counts := slices.Sorted(maps.Keys(names))
	t := &report.Table{Title: r.Device + ": counts of one execution", Columns: []report.Column{{Name: "case"}, {Name: "kernel"}}, Note: r.Note}
	for _, k := range counts {
		t.Columns = append(t.Columns, report.Column{Name: k})
	}
	for _, x := range r.Results {
		for _, kernel := range slices.Sorted(maps.Keys(x.Counts)) {
			row := []any{x.Name, kernel}
			for _, k := range counts {
				row = append(row, int(x.Counts[kernel][k]))
			}
			t.Add(row...)
		}
	}
	return t
}

// changeTable has what is worse and what is better than the margin.
func changeTable(was, is *bench.Report, c bench.Changes, margin float64) *report.Table {
	device := was.Device
	if device != is.Device {
		device += " (another device)"
	}
	t := &report.Table{Title: fmt.Sprintf("Against %s, %s", device, was.Note), Columns: []report.Column{
		{Name: "case"}, {Name: "what"}, {Name: "was"}, {Name: "is"}, {Name: "ratio", Unit: report.Unit{Digits: 3}}, {Name: ""},
	}}
	same := 0
	for _, x := range c.Cases {
		verdict := ""
		switch {
		case x.Regression:
			verdict = "WORSE"
		case x.Is < x.Was*(1-margin):
			verdict = "better"
		default:
			same++
			continue
		}
		a, b := any(int(x.Was)), any(int(x.Is))
		if x.What == "time" {
			a, b = duration(x.Was), duration(x.Is)
		}
		t.Add(x.Name, x.What, a, b, x.Ratio, verdict)
	}
	for _, name := range c.Missing {
		t.Add(name, "not measured now", "", "", nil, "")
	}
	t.Note = fmt.Sprintf("%d within ±%g %%, %d new", same, 100*margin, len(c.New))
	return t
}
