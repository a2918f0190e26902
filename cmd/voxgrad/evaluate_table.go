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

// tableKey is a measure of a score table.
type tableKey struct {
	key, head string
	unit      report.Unit
}

// tableKeys are what the challenge ranks by and counts, in order.
var tableKeys = func() (keys []tableKey) {
	for _, m := range report.DetectionMeasures {
		keys = append(keys, tableKey{m.Key, m.Name, m.Unit})
	}
	return keys
}()

// scoreTable is a row per case and, for several, their means.
func scoreTable(title string, cases []metrics.Case, sum metrics.Summary) *report.Table {
	t := &report.Table{Title: title, Columns: []report.Column{{Name: "case"}}}
	for _, k := range tableKeys {
		t.Columns = append(t.Columns, report.Column{Name: k.head, Unit: k.unit})
	}
	for _, c := range cases {
		row := []any{c.Name}
		for _, k := range tableKeys {
			if v, ok := c.Result.Value(k.key); ok {
				row = append(row, v)
			} else {
				row = append(row, nil)
			}
		}
		t.Add(row...)
	}
	if len(cases) < 2 {
		return t
	}
	row := []any{fmt.Sprintf("mean of %d", sum.With)}
	for _, k := range tableKeys {
		if m, ok := sum.Measure(k.key); ok {
			row = append(row, m.Mean)
		} else {
			row = append(row, nil)
		}
	}
	t.AddSummary(row...)
	if sum.Without > 0 {
		n, _ := sum.Measure("tested_lesions")
		mm3, _ := sum.Measure("tested_volume")
		t.Note = fmt.Sprintf("%d with an empty truth, not in the means: on average %.2f false lesions of %.1f mm³ together.",
			sum.Without, n.Mean, mm3.Mean)
	}
	return t
}

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
