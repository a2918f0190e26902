package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rivo/uniseg"

	"voxgrad/internal/text"
)

// Direction states which values of a column are the better ones.
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

// lineWidth is how wide tables and notes get on a terminal.
const lineWidth = 100

// WriteText writes the table for a terminal: columns aligned, numbers flush right,
// two spaces between columns. A table that is wider than 100 columns is fitted
// without losing anything: heads and then texts are broken into lines, between words and in paths
// behind a slash, and columns for which there is still no room follow below, the first column
// repeated. Only what is too long even there is broken elsewhere.
func (t *Table) WriteText(w io.Writer) error {
	p := t.print()
	var b strings.Builder
	if t.Title != "" {
		b.WriteString(text.Clean(t.Title) + "\n")
	}
	width := p.fit()
	blocks := intoBlocks(width)
	for n, columns := range blocks {
		if n > 0 {
			b.WriteByte('\n')
		}
		p.write(&b, columns, width)
	}
	if t.Note != "" {
		b.WriteString(strings.Join(wrap(text.CleanTo(t.Note, text.MaxMessage), lineWidth), "\n") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// leastText is how narrow a column of texts is made at least.
const leastText = 16

// fit returns the widths of the columns, which are the natural ones where those fit.
func (p *printed) fit() []int {
	width, least := make([]int, len(p.head)), make([]int, len(p.head)) // of what is under the head, and of its longest piece
	for _, line := range slices.Concat(p.body, p.summary) {
		for i, s := range line {
			width[i] = max(width[i], uniseg.StringWidth(s))
			for _, piece := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '/' }) {
				least[i] = max(least[i], uniseg.StringWidth(piece)+1)
			}
		}
	}
	for i := range least {
		room := lineWidth - 2 - least[0]
		if i == 0 {
			room = lineWidth / 2
		}
		if least[i] > room {
			least[i] = 0
		}
		least[i] = max(least[i], leastText)
	}
	natural, broken := slices.Clone(width), slices.Clone(width)
	for i, s := range p.head {
		natural[i] = max(natural[i], uniseg.StringWidth(s))
		for _, word := range strings.Fields(s) {
			broken[i] = max(broken[i], uniseg.StringWidth(word))
		}
	}
	if over(natural) <= 0 {
		return natural
	}
	// The text columns pay for the rest, the widest first.
	for over(broken) > 0 {
		widest := -1
		for i, n := range broken {
			if !p.right[i] && n > least[i] && (widest < 0 || n > broken[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		broken[widest]--
	}
	// What is left over goes to the heads.
	for i := range broken {
		broken[i] += min(max(natural[i]-broken[i], 0), max(-over(broken), 0))
	}
	return broken
}

// over is by how much a line with columns of these widths is too wide.
func over(width []int) int {
	total := 2 * max(0, len(width)-1)
	for _, n := range width {
		total += n
	}
	return total - lineWidth
}

// intoBlocks splits the columns into those that fit beside each other, the first
// column in each.
func intoBlocks(width []int) (blocks [][]int) {
	var now, widths []int
	for i, n := range width {
		if over(append(widths, n)) > 0 && len(now) > 1 {
			blocks = append(blocks, now)
			now, widths = []int{0}, []int{width[0]}
		}
		now, widths = append(now, i), append(widths, n)
	}
	return append(blocks, now)
}

// write writes some of the columns.
func (p *printed) write(b *strings.Builder, columns, width []int) {
	line := func(cells []string, bottom bool) {
		parts, most := make([][]string, len(columns)), 1
		for n, i := range columns {
			parts[n] = wrap(cells[i], max(width[i], 1))
			most = max(most, len(parts[n]))
		}
		for k := range most {
			var l strings.Builder
			for n, i := range columns {
				if n > 0 {
					l.WriteString("  ")
				}
				at, s := k, ""
				if bottom { // a head ends at its rule
					at -= most - len(parts[n])
				}
				if at >= 0 && at < len(parts[n]) {
					s = parts[n][at]
				}
				pad := strings.Repeat(" ", max(0, width[i]-uniseg.StringWidth(s)))
				if p.right[i] {
					l.WriteString(pad + s)
				} else {
					l.WriteString(s + pad)
				}
			}
			b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
		}
	}
	total := 2 * max(0, len(columns)-1)
	for _, i := range columns {
		total += width[i]
	}
	rule := strings.Repeat("─", total) + "\n"
	line(p.head, true)
	b.WriteString(rule)
	for _, l := range p.body {
		line(l, false)
	}
	if len(p.summary) > 0 {
		b.WriteString(rule)
	}
	for _, l := range p.summary {
		line(l, false)
	}
}

// wrap breaks s into lines of at most width: between words, else behind a character
// that parts a path or a name, else anywhere. Without a need to break it is s itself.
func wrap(s string, width int) []string {
	if uniseg.StringWidth(s) <= width {
		return []string{s}
	}
	var lines []string
	line, used := "", 0
	flush := func() {
		lines = append(lines, line)
		line, used = "", 0
	}
	for _, word := range strings.Fields(s) {
		n := uniseg.StringWidth(word)
		if used > 0 && used+1+n > width {
			flush()
		}
		if used > 0 {
			line, used = line+" ", used+1
		}
		for n > width {
			head := leading(word, width-used)
			line += head
			word = word[len(head):]
			n = uniseg.StringWidth(word)
			flush()
		}
		line, used = line+word, used+n
	}
	if used > 0 || len(lines) == 0 {
		flush()
	}
	return lines
}

// leading is the beginning of a word that fits into width, at least one character:
// up to the last slash or else another parting character in its second half.
func leading(word string, width int) string {
	end, slash, parted, used := 0, 0, 0, 0
	for g := uniseg.NewGraphemes(word); g.Next(); {
		if used += g.Width(); used > width && end > 0 {
			break
		}
		_, end = g.Positions()
		switch {
		case 2*used <= width:
		case strings.ContainsAny(g.Str(), "/\\"):
			slash = end
		case strings.ContainsAny(g.Str(), "_-.,:;="):
			parted = end
		}
	}
	return word[:cmp.Or(slash, parted, end)]
}

// String is the table as WriteText writes it.
func (t *Table) String() string {
	var b strings.Builder
	_ = t.WriteText(&b) // a strings.Builder does not fail
	return b.String()
}

// best reports for each body cell whether it is the best of its column, as
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

// Missing is printed where there is no number: NaN, nil, not defined for the case.
const Missing = "–"

// Unit states how a number of a column or a caption is printed.
type Unit struct {
	Symbol string  // after a number, or in a column's head; "" for none
	Scale  float64 // multiplies the value first; 0 means 1
	Digits int     // after the decimal point, for numbers that are not integers by type
}

// The units of this program.
var (
	Score            = Unit{Digits: 3}                            // a measure in [0, 1]
	Percent          = Unit{Symbol: "%", Scale: 100, Digits: 1}   // a fraction shown in per cent
	Probability      = Unit{Digits: 2}                            // a probability
	Millimetres      = Unit{Symbol: "mm", Digits: 1}              // a length or a coordinate
	CubicMillimetres = Unit{Symbol: "mm³", Digits: 1}             // a volume
	Millilitres      = Unit{Symbol: "ml", Scale: 1e-3, Digits: 2} // a volume given in mm³
	Seconds          = Unit{Symbol: "s", Digits: 1}               // a time
)

// Format prints x with the unit's digits, without its symbol.
func (u Unit) Format(x float64) string {
	if u.Scale != 0 {
		x *= u.Scale
	}
	switch {
	case math.IsNaN(x):
		return Missing
	case math.IsInf(x, 1):
		return "∞"
	case math.IsInf(x, -1):
		return "−∞"
	}
	s := strconv.FormatFloat(x, 'f', u.Digits, 64)
	if rest, negative := strings.CutPrefix(s, "-"); negative {
		if strings.Trim(rest, "0.") == "" {
			return rest // −0.0 is a rounding, not a sign
		}
		return "−" + rest
	}
	return s
}

// Text prints x with its symbol: "12.5 mm³".
func (u Unit) Text(x float64) string {
	s := u.Format(x)
	if u.Symbol == "" || s == Missing {
		return s
	}
	return s + " " + u.Symbol
}

// Range prints an interval: "0.41 to 0.62"; Missing if an end is NaN.
func (u Unit) Range(low, high float64) string {
	if math.IsNaN(low) || math.IsNaN(high) {
		return Missing
	}
	return u.Format(low) + " to " + u.Format(high)
}

// Figure is the text of a table's cell that is set like a number: one with its own
// digits, or an interval.
type Figure string

// cell prints one table cell and reports whether it is a number (or a missing one).
func (u Unit) cell(v any) (text string, number bool) {
	switch v := v.(type) {
	case nil:
		return Missing, true
	case float64:
		return u.Format(v), true
	case float32:
		return u.Format(float64(v)), true
	case int:
		return u.integer(int64(v)), true
	case int64:
		return u.integer(v), true
	case time.Duration:
		return Duration(v), true
	case bool:
		if v {
			return "yes", false
		}
		return "no", false
	case Figure:
		return string(v), true
	case string:
		return v, false
	case fmt.Stringer:
		return v.String(), false
	}
	return fmt.Sprint(v), false
}

func (u Unit) integer(v int64) string {
	if u.Scale != 0 && u.Scale != 1 {
		return u.Format(float64(v))
	}
	return Unit{}.Format(float64(v))
}

// Duration prints d the way people say it: "0.8 s", "4 min 03 s", "2 h 05 min".
func Duration(d time.Duration) string {
	if d < 0 {
		return "−" + Duration(-d)
	}
	switch s := d.Seconds(); {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", s*1e6)
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", s*1e3)
	case s < 59.95:
		return fmt.Sprintf("%.1f s", s)
	case s < 3599.5:
		n := int(math.Round(s))
		return fmt.Sprintf("%d min %02d s", n/60, n%60)
	default:
		n := int(math.Round(s / 60))
		return fmt.Sprintf("%d h %02d min", n/60, n%60)
	}
}
