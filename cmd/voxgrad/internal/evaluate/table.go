package evaluate

import (
	"fmt"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/metrics"
	"voxgrad/report"
)

// measureTable is one case, a measure a line.
func measureTable(c metrics.Case) *report.Table {
	t := &report.Table{Title: c.Name, Columns: []report.Column{{Name: "measure"}, {Name: "value"}}}
	for _, m := range c.Result.Measures() {
		shown := report.MeasureOf(m.Key)
		t.Add(m.Key, report.Figure(shown.Unit.Text(m.Value)))
	}
	if c.Result.EmptyTruth() {
		t.Note = "Nothing is marked in the truth: false alarms are counted, nothing else is defined."
	}
	return t
}

// writeTables prints tables with an empty line between them.
func writeTables(tables ...*report.Table) error {
	for n, t := range tables {
		if n > 0 {
			fmt.Fprintln(cli.Out)
		}
		if err := t.WriteText(cli.Out); err != nil {
			return err
		}
	}
	return nil
}

// jsonCases are the cases with all their measures.
func jsonCases(cases []metrics.Case) []any {
	rows := []any{}
	for _, c := range cases {
		rows = append(rows, map[string]any{"case": c.Name, "measures": c.Result})
	}
	return rows
}
