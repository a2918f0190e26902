package scoring

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"

	"voxgrad/internal/outfile"
	"voxgrad/metrics"
)

// Row is a line of a table of measures: names of what was measured, and the
// result.
type Row struct {
	names  []string
	result *metrics.Result
}

// Rows are the lines of cases; names follow the name of the case.
func Rows(cases []metrics.Case, names ...string) (rows []Row) {
	for n := range cases {
		rows = append(rows, Row{append([]string{cases[n].Name}, names...), &cases[n].Result})
	}
	return rows
}

// WriteCSV writes all measures with all their digits: nan where one is
// undefined, nothing where it does not belong to the case.
func WriteCSV(set *outfile.Set, path string, head []string, rows []Row) error {
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
	return set.Write(path, func(w io.Writer) error { return csv.NewWriter(w).WriteAll(lines) })
}
