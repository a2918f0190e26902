package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"voxgrad/report"
)

// choice is one way of training, scored on each patient by the network that left this patient out.
type choice struct {
	name     string
	patients []scored // in the order of their names
}

// leftOut compares ways of training by what they find in patients left out: the table that left_out.sh ends with. DIR/NAME/PATIENT.json is what
// 'weights score' wrote.
func leftOut(args []string) error {
	f := flag.NewFlagSet("leftout", flag.ExitOnError)
	dir, first := f.String("dir", "", "folder of folders, one of each way of training, with the scores of each patient"), f.String("beside", "", "way of training that the others are held against")
	of := f.String("of", "", "set that all but one of the patients trained on are from; thresholds are chosen on it")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *dir == "" || *first == "" || *of == "" {
		return errors.New("--dir, --beside and --of are needed")
	}
	choices, err := readChoices(*dir)
	if err != nil {
		return err
	}
	return writeChoices(os.Stdout, choices, *first, *of)
}

// readChoices reads the scores of each way of training. All must have the same patients, once each.
func readChoices(dir string) (out []choice, err error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var s []scored
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		name := filepath.Base(filepath.Dir(file))
		if len(out) == 0 || out[len(out)-1].name != name {
			out = append(out, choice{name: name})
		}
		for _, p := range s {
			if err := p.complete(out[0].patients); err != nil {
				return nil, fmt.Errorf("%s: %s %w", file, p.Name, err)
			}
		}
		last := &out[len(out)-1]
		last.patients = append(last.patients, s...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no scores *.json in its folders", dir)
	}
	for _, c := range out {
		slices.SortFunc(c.patients, func(a, b scored) int { return strings.Compare(a.Name, b.Name) })
		if !slices.Equal(names(c.patients), slices.Compact(names(out[0].patients))) {
			return nil, fmt.Errorf("%s: %s has the patients %v, %s has %v; each is needed once", dir, c.name, names(c.patients), out[0].name, names(out[0].patients))
		}
	}
	return out, nil
}

// complete reports whether a patient has a Dice at each threshold and least size that the first one read has.
func (s scored) complete(first []scored) error {
	if len(s.Points) == 0 {
		return errors.New("has no scores at thresholds")
	}
	for i, p := range s.Points {
		if math.IsNaN(float64(p.Dice)) {
			return errors.New("has no Dice: nothing is marked there")
		}
		if len(first) > 0 && (len(first[0].Points) != len(s.Points) || first[0].Points[i].Threshold != p.Threshold || first[0].Points[i].LeastMM3 != p.LeastMM3) {
			return fmt.Errorf("was scored at other thresholds than %s", first[0].Name)
		}
	}
	return nil
}

func names(list []scored) (out []string) {
	for _, s := range list {
		out = append(out, s.Name)
	}
	return out
}

// at returns the scores of each patient at the same threshold and least size.
func (c choice) at(i int) (out []point) {
	for _, s := range c.patients {
		out = append(out, s.Points[i])
	}
	return out
}

// best returns which threshold and least size are best, by mean Dice, for a set's patients but one (-1: for all).
func (c choice) best(set string, but int) int {
	best, most := 0, math.Inf(-1)
	for i := range c.patients[0].Points {
		sum := 0.0
		for p, x := range c.at(i) {
			if p != but && c.patients[p].Set == set {
				sum += float64(x.Dice)
			}
		}
		if sum > most {
			best, most = i, sum
		}
	}
	return best
}

// chosen returns the scores of each patient at the threshold and least size that are best for all others of a set.
func (c choice) chosen(set string) (out []point) {
	for p, s := range c.patients {
		out = append(out, s.Points[c.best(set, p)])
	}
	return out
}

// writeChoices writes a row of means over each set's patients for each way of training, and the Dice of each patient.
func writeChoices(w io.Writer, choices []choice, first, of string) error {
	k := slices.IndexFunc(choices, func(c choice) bool { return c.name == first })
	if k < 0 {
		return fmt.Errorf("--beside %s: there are no scores of it", first)
	}
	patients := choices[0].patients
	if !slices.ContainsFunc(patients, func(s scored) bool { return s.Set == of }) {
		return fmt.Errorf("--of %s: there is no patient of it", of)
	}
	fixed := slices.IndexFunc(patients[0].Points, func(p point) bool { return p.Threshold == 0.5 && p.LeastMM3 == tabled })
	if fixed < 0 {
		return errors.New("there are no scores at a threshold of 0.5")
	}
	var sets []string
	for _, s := range patients {
		if !slices.Contains(sets, s.Set) {
			sets = append(sets, s.Set)
		}
	}
	for _, set := range sets {
		t := &report.Table{Title: set, Columns: []report.Column{{Name: "training"}, {Name: "patients"}, {Name: "Dice at 0.5", Unit: report.Score}, {Name: "lesion F1", Unit: report.Score}, {Name: "false a scan", Unit: report.Unit{Digits: 1}},
			{Name: "Dice beside " + first, Unit: report.Score}, {Name: "its standard error", Unit: report.Score}, {Name: "better in"}, {Name: "Dice, threshold chosen on the others", Unit: report.Score}, {Name: "lesion F1 of that", Unit: report.Score}, {Name: "chosen on all"}}}
		for _, c := range choices {
			var n, dice, f1, wrong, more, squares, chosenDice, chosenF1 float64
			var better int
			chosen, beside := c.chosen(of), choices[k].at(fixed)
			for i, p := range c.at(fixed) {
				if patients[i].Set != set {
					continue
				}
				d := float64(p.Dice - beside[i].Dice)
				n, dice, f1, wrong, more, squares = n+1, dice+float64(p.Dice), f1+float64(p.F1), wrong+float64(p.False), more+d, squares+d*d
				chosenDice, chosenF1 = chosenDice+float64(chosen[i].Dice), chosenF1+float64(chosen[i].F1)
				if d > 0 {
					better++
				}
			}
			all := c.patients[0].Points[c.best(of, -1)]
			se := math.Sqrt(max(0, squares-more*more/n) / (n * (n - 1))) // of a single patient it is undefined, NaN
			t.Add(c.name, int(n), dice/n, f1/n, wrong/n, more/n, se, better, chosenDice/n, chosenF1/n, fmt.Sprintf("%g, %g mm³", all.Threshold, all.LeastMM3))
		}
		if err := t.WriteText(w); err != nil {
			return err
		}
	}
	t := &report.Table{Title: "Dice at 0.5 of each", Columns: []report.Column{{Name: "patient"}}}
	for _, c := range choices {
		t.Columns = append(t.Columns, report.Column{Name: c.name, Unit: report.Score})
	}
	for i, p := range patients {
		row := []any{p.Name}
		for _, c := range choices {
			row = append(row, float64(c.at(fixed)[i].Dice))
		}
		t.Add(row...)
	}
	return t.WriteText(w)
}
