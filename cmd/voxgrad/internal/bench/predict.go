package bench

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cuda"
	"voxgrad/cuda/predict"
	"voxgrad/device/bench"
	"voxgrad/models/passes"
	"voxgrad/report"
)

// predictions is the JSON of --predict.
type predictions struct {
	What  string      `json:"what"` // that nothing was measured
	Card  string      `json:"card"`
	Note  string      `json:"note"`
	Cases []predicted `json:"predictions"`
}

type predicted struct {
	Name string `json:"name"`
	*predict.Prediction
}

const notMeasured = "prediction, nothing was measured"

// predicted prints how long the cases would take on a card.
func (b *benchFlags) predicted(cmd *cobra.Command, cases []bench.Case, filter *regexp.Regexp) error {
	card, err := predict.CardOf(b.predict)
	if err != nil {
		return cli.Usagef(cmd, "--predict: %v", err)
	}
	precision, err := cli.Precision(cmd)
	if err != nil {
		return err
	}
	if cases, err = bench.Matching(cases, filter); err != nil {
		return err
	}
	r := &predictions{What: notMeasured, Card: card.Name, Note: "voxgrad " + cli.Version()}
	for _, c := range cases {
		p, err := b.predictCase(card, precision, c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
		r.Cases = append(r.Cases, predicted{c.Name, p})
	}
	if err := b.write(r); err != nil {
		return err
	}
	if b.asJSON {
		return cli.PrintJSON(r)
	}
	for i, t := range r.tables(b.step != "") {
		if i > 0 {
			fmt.Fprintln(cli.Out)
		}
		if err := t.WriteText(cli.Out); err != nil {
			return err
		}
	}
	return nil
}

func (b *benchFlags) predictCase(card predict.Card, precision cuda.Precision, c bench.Case) (*predict.Prediction, error) {
	dry, err := predict.NewDry(card, precision)
	if err != nil {
		return nil, err
	}
	defer dry.Close()
	if b.step == "" {
		run, closeCase, err := c.Open(dry)
		if err != nil {
			return nil, err
		}
		defer closeCase()
		return dry.Predict(run)
	}
	n, err := passes.Open(dry, b.network, b.shapes)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	dry.Names = n.Layer
	pass, _, _ := strings.Cut(c.Name, "/")
	return dry.Predict(n.Pass(pass))
}

// tables are that of the cases and, of the last one of a network, those of its layers and kernels.
func (r *predictions) tables(step bool) []*report.Table {
	ratio := report.Unit{Digits: 1}
	t := &report.Table{Title: fmt.Sprintf("%s, %s: %s", r.Card, r.Cases[0].Precision, notMeasured), Columns: []report.Column{
		{Name: "case"}, {Name: "predicted"}, {Name: "floor"}, {Name: "times the floor", Unit: ratio}, {Name: "launches"}, {Name: "GFLOP", Unit: ratio}},
		Note: "Floor: arithmetic by definition, or the least bytes, at the rates of the data sheet. " + r.Note}
	for _, c := range r.Cases {
		t.Add(c.Name, duration(c.Seconds), duration(c.Floor), over(c.Seconds, c.Floor), len(c.Launches), float64(c.Flops)/1e9)
	}
	all := []*report.Table{t}
	if !step {
		return all
	}
	last := r.Cases[len(r.Cases)-1]
	for _, g := range []struct {
		name   string
		groups []predict.Group
	}{{"layer, or operation without parameters", last.Layers}, {"kernel", last.Kernels}} {
		t := &report.Table{Title: "Of " + last.Name + ", predicted", Columns: []report.Column{
			{Name: g.name}, {Name: "launches"}, {Name: "predicted"}, {Name: "floor"}, {Name: "times the floor", Unit: ratio}}}
		for _, x := range g.groups {
			floor := any("")
			if x.Floor > 0 {
				floor = duration(x.Floor)
			}
			t.Add(x.Name, x.Launches, duration(x.Seconds), floor, over(x.Seconds, x.Floor))
		}
		all = append(all, t)
	}
	return all
}

// over is a ratio, nil where there is nothing to divide by.
func over(a, b float64) any {
	if b == 0 {
		return nil
	}
	return a / b
}
