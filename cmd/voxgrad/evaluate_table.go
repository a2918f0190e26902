package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"

	"voxgrad/internal/atomicfile"
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
			fmt.Println()
		}
		if err := t.WriteText(os.Stdout); err != nil {
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

// scoreRow is a line of a table of measures: names of what was measured, and the
// result.
type scoreRow struct {
	names  []string
	result *metrics.Result
}

func scoreRows(cases []metrics.Case, names ...string) (rows []scoreRow) {
	for n := range cases {
		rows = append(rows, scoreRow{append([]string{cases[n].Name}, names...), &cases[n].Result})
	}
	return rows
}

// writeScoreCSV writes all measures with all their digits: nan where one is
// undefined, nothing where it does not belong to the case.
func writeScoreCSV(path string, head []string, rows []scoreRow) error {
	keys := metrics.Keys()
	lines := [][]string{append(head[:len(head):len(head)], keys...)}
	for _, r := range rows {
		line := r.names
		for _, key := range keys {
			cell := ""
			if v, ok := r.result.Value(key); ok {
				cell = "nan"
				if !math.IsNaN(v) {
					cell = strconv.FormatFloat(v, 'g', -1, 64)
				}
			}
			line = append(line, cell)
		}
		lines = append(lines, line)
	}
	return atomicfile.Write(path, func(w io.Writer) error { return csv.NewWriter(w).WriteAll(lines) })
}
