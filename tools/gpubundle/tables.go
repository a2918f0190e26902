package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
)

// line is a result of any part.
type line struct {
	measured
	State string  `json:"state"` // of a part that has ended
	Why   string  `json:"why"`
	Took  float64 `json:"took_s"`

	Name     string  `json:"name"`
	Compute  float64 `json:"compute_capability"`
	Driver   int     `json:"driver_cuda"`
	Computes bool    `json:"computes"`
	Commit   string  `json:"commit"`
	When     string  `json:"when"`

	Who       string  `json:"who"`
	Batch     int     `json:"batch"`
	Step      float64 `json:"seconds"`
	Peak      int64   `json:"peak_bytes"`
	Summary   bool    `json:"summary"`
	Launches  int     `json:"launches"`
	Distinct  int     `json:"distinct"`
	InAll     float64 `json:"measured_step_s"`
	SaidInAll float64 `json:"predicted_step_s"`
	Off       float64 `json:"median_error"`
	Rank      float64 `json:"rank_correlation"`
	Losses    []any   `json:"losses"`

	What  string   `json:"what"` // of the probe and of inference
	Value *float64 `json:"value"`
	Unit  string   `json:"unit"`
}

// tables writes the results of a run as Markdown.
func tables(_ options, args []string) error {
	if len(args) != 1 {
		return errors.New("tables wants one file")
	}
	all, err := read(args[0])
	if err == nil {
		write(os.Stdout, all)
	}
	return err
}

// read reads the results of a run. A line that a time limit cut short is left out.
func read(file string) (all []line, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var l line
		if json.Unmarshal(in.Bytes(), &l) == nil {
			all = append(all, l)
		}
	}
	return all, in.Err()
}

func of(all []line, part string, keep func(l line) bool) (some []line) {
	for _, l := range all {
		if l.Part == part && l.State == "" && keep(l) {
			some = append(some, l)
		}
	}
	return some
}

func write(w io.Writer, all []line) {
	for _, l := range all {
		if l.Part == "device" && l.State == "" {
			fmt.Fprintf(w, "%s, compute capability %.1f, driver for CUDA %d.%d; commit %s, %s\n", l.Name, l.Compute, l.Driver/1000, l.Driver%1000/10, l.Commit, l.When)
		}
	}
	fmt.Fprint(w, "\n| part | | s | |\n|---|---|---|---|\n")
	for _, l := range all {
		if l.State != "" {
			fmt.Fprintf(w, "| %s | %s | %.1f | %s |\n", l.Part, l.State, l.Took, l.Why)
		}
	}
	printSteps(w, of(all, "steps", func(l line) bool { return l.Step > 0 }))
	printLaunches(w, all)
	printLosses(w, of(all, "losses", func(l line) bool { return len(l.Losses) > 0 }))
	if values := slices.Concat(of(all, "probe", func(l line) bool { return l.What != "" }), of(all, "inference", func(l line) bool { return l.What != "" })); len(values) > 0 {
		fmt.Fprint(w, "\n| | |\n|---|---|\n")
		for _, l := range values {
			value := ""
			if l.Value != nil {
				value = fmt.Sprintf("%.4g ", *l.Value)
			}
			fmt.Fprintf(w, "| %s | %s%s |\n", l.What, value, l.Unit)
		}
	}
}

func printSteps(w io.Writer, steps []line) {
	if len(steps) == 0 {
		return
	}
	fmt.Fprint(w, "\n| step | ms | predicted ms | peak memory | to the fastest PyTorch |\n|---|---|---|---|---|\n")
	for _, s := range steps {
		peer := math.Inf(1)
		for _, o := range steps {
			if o.Model == s.Model && o.Batch == s.Batch && strings.HasPrefix(o.Who, "PyTorch") {
				peer = min(peer, o.Step)
			}
		}
		ratio, predicted := "", ""
		if !math.IsInf(peer, 1) {
			ratio = fmt.Sprintf("%.2f", s.Step/peer)
		}
		if s.Predicted != nil {
			predicted = fmt.Sprintf("%.2f", 1e3**s.Predicted)
		}
		fmt.Fprintf(w, "| %s, batch %d, %s | %.2f | %s | %.2f GB | %s |\n", s.Model, s.Batch, s.Who, 1e3*s.Step, predicted, float64(s.Peak)/1e9, ratio)
	}
}

func printLaunches(w io.Writer, all []line) {
	sums := of(all, "launches", func(l line) bool { return l.Summary })
	if len(sums) == 0 {
		return
	}
	fmt.Fprint(w, "\n| launches of a step | of them distinct | measured ms | predicted ms | median error of the half not fitted | rank correlation |\n|---|---|---|---|---|---|\n")
	for _, l := range sums {
		fmt.Fprintf(w, "| %s, %s: %d | %d | %.3f | %.3f | %.0f %% | %.3f |\n", l.Model, l.Precision, l.Launches, l.Distinct, 1e3*l.InAll, 1e3*l.SaidInAll, 100*l.Off, l.Rank)
	}
	single := of(all, "launches", func(l line) bool { return !l.Summary && l.Kernel != "" })
	slices.SortStableFunc(single, func(a, b line) int { return cmp.Compare(b.Seconds*float64(b.Count), a.Seconds*float64(a.Count)) })
	fmt.Fprint(w, "\nThe longest of them, by what they take of a step:\n\n| launch | | times | measured µs | predicted µs | bound |\n|---|---|---|---|---|---|\n")
	for _, l := range single[:min(len(single), 40)] {
		predicted := ""
		if l.Predicted != nil {
			predicted = fmt.Sprintf("%.1f", 1e6**l.Predicted)
		}
		fmt.Fprintf(w, "| %s %v, %s | %s %s | %d | %.1f | %s | %s |\n", l.Kernel, l.Grid, l.Precision, l.Op, l.Layer, l.Count, 1e6*l.measured.Seconds, predicted, l.Bound)
	}
}

// printLosses has the largest distance of each run from PyTorch's in fp32.
func printLosses(w io.Writer, runs []line) {
	if len(runs) == 0 {
		return
	}
	var exact []any
	for _, r := range runs {
		if r.Who == "PyTorch fp32" {
			exact = r.Losses
		}
	}
	fmt.Fprint(w, "\n| losses of steps from equal weights | first | last | largest distance from PyTorch's in fp32 |\n|---|---|---|---|\n")
	for _, r := range runs {
		apart := ""
		if len(exact) == len(r.Losses) {
			most := 0.0
			for i := range exact {
				a, ok := exact[i].(float64)
				b, also := r.Losses[i].(float64)
				if !ok || !also {
					most = math.Inf(1)
				} else {
					most = max(most, math.Abs(a-b))
				}
			}
			apart = fmt.Sprintf("%.2g", most)
		}
		fmt.Fprintf(w, "| %s, %s, %d steps | %v | %v | %s |\n", r.Model, r.Who, len(r.Losses), r.Losses[0], r.Losses[len(r.Losses)-1], apart)
	}
}
