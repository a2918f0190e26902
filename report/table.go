package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"voxgrad/internal/text"

	"github.com/rivo/uniseg"
)

// Direction says which values of a column are the better ones.
type Direction int

// Neither is the zero value: a column that ranks nothing.
const (
	Neither Direction = iota
	Higher
	Lower
)

// Column is the head of a table's column.
type Column struct {
	Name   string
	Unit   Unit      // how its numbers are printed
	Better Direction // marks the best number of the body in a page
}

// Table is rows of values under columns: scores, lesions, settings. A cell may
// be a string, an int, a float (NaN is printed as –), a bool, a time.Duration, a
// fmt.Stringer, "" (empty) or nil (missing).
type Table struct {
	Title   string
	Columns []Column
	Rows    [][]any
	Summary [][]any // below a rule: means, totals
	Note    string  // under the table
}

// Add appends a row. It panics unless there is one cell per column.
func (t *Table) Add(cells ...any) { t.Rows = append(t.Rows, t.checked(cells)) }

// AddSummary appends a row below the rule, like Add.
func (t *Table) AddSummary(cells ...any) { t.Summary = append(t.Summary, t.checked(cells)) }

func (t *Table) checked(cells []any) []any {
	if len(cells) != len(t.Columns) {
		panic(fmt.Sprintf("report: %d cells for the %d columns of table %q", len(cells), len(t.Columns), t.Title))
	}
	return cells
}

// head is a column's name with its unit: "volume (mm³)".
func (c Column) head() string {
	if c.Unit.Symbol == "" {
		return c.Name
	}
	return c.Name + " (" + c.Unit.Symbol + ")"
}

// printed is a table as text: body first, then summary, plus which columns hold
// numbers only and so are set flush right.
type printed struct {
	head          []string
	body, summary [][]string
	right         []bool
}

func (t *Table) print() printed {
	p := printed{right: make([]bool, len(t.Columns))}
	for i, c := range t.Columns {
		p.head = append(p.head, text.Clean(c.head()))
		p.right[i] = len(t.Rows)+len(t.Summary) > 0
	}
	rows := func(in [][]any) (out [][]string) {
		for _, r := range in {
			line := make([]string, len(r))
			for i, v := range r {
				s, number := t.Columns[i].Unit.cell(v)
				line[i] = text.Clean(s)
				p.right[i] = p.right[i] && (number || s == "")
			}
			out = append(out, line)
		}
		return out
	}
	p.body, p.summary = rows(t.Rows), rows(t.Summary)
	return p
}

// WriteText writes the table for a terminal: columns aligned, numbers flush
// right, two spaces between columns.
func (t *Table) WriteText(w io.Writer) error {
	p := t.print()
	width := make([]int, len(p.head))
	for _, line := range append(append([][]string{p.head}, p.body...), p.summary...) {
		for i, s := range line {
			width[i] = max(width[i], uniseg.StringWidth(s))
		}
	}
	total := 2 * max(0, len(width)-1)
	for _, n := range width {
		total += n
	}

	var b strings.Builder
	write := func(line []string) {
		var l strings.Builder
		for i, s := range line {
			if i > 0 {
				l.WriteString("  ")
			}
			pad := strings.Repeat(" ", width[i]-uniseg.StringWidth(s))
			if p.right[i] {
				l.WriteString(pad + s)
			} else {
				l.WriteString(s + pad)
			}
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	rule := strings.Repeat("─", total) + "\n"
	if t.Title != "" {
		b.WriteString(text.Clean(t.Title) + "\n")
	}
	write(p.head)
	b.WriteString(rule)
	for _, line := range p.body {
		write(line)
	}
	if len(p.summary) > 0 {
		b.WriteString(rule)
	}
	for _, line := range p.summary {
		write(line)
	}
	if t.Note != "" {
		b.WriteString(wrap(text.CleanTo(t.Note, text.MaxMessage), noteWidth))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// noteWidth is how wide notes get on a terminal.
const noteWidth = 120

// wrap breaks s between words into lines of at most width, each ended.
func wrap(s string, width int) string {
	var b strings.Builder
	used := 0
	for _, word := range strings.Fields(s) {
		n := uniseg.StringWidth(word)
		switch {
		case used > 0 && used+1+n > width:
			b.WriteByte('\n')
			used = 0
		case used > 0:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String() + "\n"
}

// String is the table as WriteText writes it.
func (t *Table) String() string {
	var b strings.Builder
	_ = t.WriteText(&b) // a strings.Builder does not fail
	return b.String()
}

// best tells for each body cell whether it is the best of its column, as
// printed: equal digits are equal. One row alone is not compared with anything.
func (t *Table) best() [][]bool {
	mark := make([][]bool, len(t.Rows))
	for r := range mark {
		mark[r] = make([]bool, len(t.Columns))
	}
	for c, col := range t.Columns {
		if col.Better == Neither {
			continue
		}
		top, count := math.NaN(), 0
		for _, row := range t.Rows {
			if x, ok := value(row[c]); ok {
				count++
				if math.IsNaN(top) || (col.Better == Higher) == (x > top) {
					top = x
				}
			}
		}
		for r, row := range t.Rows {
			if x, ok := value(row[c]); ok && count > 1 {
				mark[r][c] = col.Unit.Format(x) == col.Unit.Format(top)
			}
		}
	}
	return mark
}

// value is the number in a cell; false if there is none.
func value(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, !math.IsNaN(v)
	case float32:
		return float64(v), !math.IsNaN(float64(v))
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	}
	return 0, false
}
