package main

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/cuda/launches"
	"voxgrad/cuda/predict"
	"voxgrad/models/passes"
)

// repeats is how often a launch is made between two events.
const repeats = 5

// measured is a line of the part launches.
type measured struct {
	Part      string   `json:"part"`
	Model     string   `json:"model"`
	Precision string   `json:"precision"`
	Op        string   `json:"op"`
	Layer     string   `json:"layer,omitempty"`
	Kernel    string   `json:"kernel"`
	Grid      [3]int   `json:"grid"`
	Block     int      `json:"block"`
	Count     int      `json:"count"` // of a step
	Seconds   float64  `json:"measured_s"`
	Predicted *float64 `json:"predicted_s"` // null: there are no constants of this card
	Bound     string   `json:"bound,omitempty"`
}

// times measures every distinct launch of a step beside its prediction.
func times(o options, _ []string) error {
	var t *launches.Timed
	b, err := open(o, func(d driver.Driver) driver.Driver { t = &launches.Timed{Driver: d, Repeats: repeats}; return t }, cuda.WithoutGraphs())
	if err != nil {
		return err
	}
	defer b.Close()
	n, err := passes.Open(b, o.config(), o.shapes)
	if err != nil {
		return err
	}
	defer n.Close()
	run := n.Pass("Step")
	for range 2 {
		run()
	}
	t.Start()
	run()
	list := t.Stop()
	if err := b.Sync(); err != nil {
		return err
	}
	card, unknown := predict.CardOf(b.Info().Name)
	if unknown != nil { // the geometry of launches is the same on all
		if card, err = predict.CardOf(predict.Names()[0]); err != nil {
			return err
		}
	}
	p, err := prediction(o, card, b.Precision())
	if err != nil {
		return err
	}
	if len(p.Launches) != len(list) {
		return fmt.Errorf("%d launches, the prediction has %d", len(list), len(p.Launches))
	}
	var all []measured
	seen := map[*launches.Timing]bool{}
	step := 0.0
	for i, at := range list {
		l := p.Launches[i]
		if l.Kernel != at.Kernel || l.Grid != [3]int{at.Grid.X, at.Grid.Y, at.Grid.Z} {
			return fmt.Errorf("launch %d is %s %v, the prediction has %s %v", i, at.Kernel, at.Grid, l.Kernel, l.Grid)
		}
		s, err := t.Seconds(at)
		if err != nil {
			return err
		}
		step += s
		if seen[at] {
			continue
		}
		seen[at] = true
		m := measured{Part: "launches", Model: o.model, Precision: b.Precision().String(), Op: l.Op, Layer: l.Layer, Kernel: at.Kernel,
			Grid: l.Grid, Block: l.Block, Count: at.Count, Seconds: s}
		if unknown == nil {
			m.Predicted, m.Bound = &p.Launches[i].Seconds, l.Bound
		}
		all = append(all, m)
		if err := say(m); err != nil {
			return err
		}
	}
	sum := map[string]any{"part": "launches", "summary": true, "model": o.model, "precision": b.Precision().String(), "launches": len(list), "distinct": len(all), "measured_step_s": step}
	if unknown == nil {
		sum["predicted_step_s"] = p.Seconds
		sum["median_error"], sum["rank_correlation"] = agreement(all)
	}
	return say(sum)
}

// agreement is how far predictions are off once their scale is taken from every second launch: the median of |log| of the
// other ones' ratios, as a factor less 1; and Spearman's correlation of all.
func agreement(all []measured) (off, rank float64) {
	var fit, rest, x, y []float64
	for i, m := range all {
		ratio := math.Log(max(m.Seconds, 1e-9) / *m.Predicted)
		if i%2 == 0 {
			fit = append(fit, ratio)
		} else {
			rest = append(rest, ratio)
		}
		x, y = append(x, m.Seconds), append(y, *m.Predicted)
	}
	if len(rest) == 0 {
		return 0, 0
	}
	scale := median(fit)
	for i := range rest {
		rest[i] = math.Abs(rest[i] - scale)
	}
	return math.Exp(median(rest)) - 1, stat.Correlation(ranks(x), ranks(y), nil)
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// ranks are those of x, from 0; equal values share the mean of theirs.
func ranks(x []float64) []float64 {
	sorted := slices.Sorted(slices.Values(x))
	out := make([]float64, len(x))
	for i, v := range x {
		first, _ := slices.BinarySearch(sorted, v)
		last := first
		for last < len(sorted) && sorted[last] == v {
			last++
		}
		out[i] = float64(first+last-1) / 2
	}
	return out
}
