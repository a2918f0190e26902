package report

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/rivo/uniseg"
	"github.com/stretchr/testify/require"
)

func scores() *Table {
	t := &Table{Title: "Scores", Columns: []Column{
		{Name: "case"}, {Name: "Dice", Unit: Score, Better: Higher},
		{Name: "volume", Unit: CubicMillimetres}, {Name: "false positives", Better: Lower},
	}, Note: "A note."}
	t.Add("patient01", 0.5, 2475.0, 3)
	t.Add("患者 02", math.NaN(), nil, 0)
	t.Add("c", 0.25, 12.345, 10)
	t.AddSummary("mean", 0.375, "", nil)
	return t
}

func TestTableText(t *testing.T) {
	require.Equal(t, strings.Join([]string{
		"Scores",
		"case        Dice  volume (mm³)  false positives",
		"───────────────────────────────────────────────",
		"patient01  0.500        2475.0                3",
		"患者 02        –             –                0",
		"c          0.250          12.3               10",
		"───────────────────────────────────────────────",
		"mean       0.375                              –",
		"A note.",
		"",
	}, "\n"), scores().String())
}

func TestTableColumnsAlignByWidthOnScreen(t *testing.T) {
	lines := strings.Split(scores().String(), "\n")
	for _, l := range lines[2:8] {
		require.Equal(t, uniseg.StringWidth(lines[1]), uniseg.StringWidth(l), l)
	}
}

func TestTableHoldsNoControlCharacters(t *testing.T) {
	tab := &Table{Columns: []Column{{Name: "case\x1b[2J"}}}
	tab.Add("evil\x1b]0;title\a\nsecond line")
	tab.AddSummary("\x7f")
	for _, r := range strings.ReplaceAll(tab.String(), "\n", "") {
		require.False(t, r < 0x20 || r == 0x7f, "%q", r)
	}
	require.Len(t, strings.Split(strings.TrimSpace(tab.String()), "\n"), 5)
}

// A table of any shape fits, and every character of it is still there.
func TestTableFitsATerminal(t *testing.T) {
	wide := &Table{Title: "Wide", Columns: []Column{{Name: "case"}, {Name: "file"}, {Name: "note"}}}
	for n := range 14 {
		wide.Columns = append(wide.Columns, Column{Name: fmt.Sprintf("measure number %d", n), Unit: CubicMillimetres})
	}
	long := "/data/" + strings.Repeat("patient_0123456789/", 8) + "flair_registered.nii.gz"
	cells := []any{"patient01", long, "the quick brown fox jumps over the lazy dog and over the fence"}
	for n := range 14 {
		cells = append(cells, 1234.5*float64(n))
	}
	wide.Add(cells...)
	wide.AddSummary(cells...)
	text := wide.String()
	for _, l := range strings.Split(text, "\n") {
		require.LessOrEqual(t, uniseg.StringWidth(l), lineWidth, l)
	}
	require.Equal(t, 2*strings.Count(text, "measure"), 28)
	for n := range 14 {
		require.Contains(t, text, CubicMillimetres.Format(1234.5*float64(n)))
	}
	require.Greater(t, strings.Count(text, "patient01"), 2, "each block says whose line it is")

	one := &Table{Columns: []Column{{Name: "key"}, {Name: "value"}}}
	one.Add("source", long)
	lines := strings.Split(strings.TrimSpace(one.String()), "\n")
	whole := ""
	for _, l := range lines[2:] {
		require.LessOrEqual(t, uniseg.StringWidth(l), lineWidth)
		whole += strings.TrimSpace(strings.TrimPrefix(l, "source"))
	}
	require.Equal(t, long, whole)
	require.True(t, strings.HasSuffix(lines[2], "/"), "broken where a path may be: %s", lines[2])
}

// Names, hashes and the parts of a path stay whole, so that they can be copied and searched for, as long as they fit at all.
func TestTableKeepsNamesWhole(t *testing.T) {
	hash, endless := strings.Repeat("0123456789abcdef", 4), strings.Repeat("endless", 20)
	table := &Table{Columns: []Column{{Name: "name"}, {Name: "for"}, {Name: "file"}, {Name: "hash"}, {Name: "too long"}}}
	table.Add("builtin:a_long_name", "the quick brown fox jumps over the lazy dog and over the fence", "/data/patient_0123456789/flair_time01_registered.nii.gz", hash, endless)
	text := table.String()
	for _, whole := range []string{"builtin:a_long_name", "flair_time01_registered.nii.gz", hash} {
		require.Contains(t, text, whole)
	}
	for _, l := range strings.Split(text, "\n") {
		require.LessOrEqual(t, uniseg.StringWidth(l), lineWidth, l)
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		s     string
		width int
		want  []string
	}{
		{"", 5, []string{""}},
		{"a  b", 5, []string{"a  b"}},
		{"one two three", 7, []string{"one two", "three"}},
		{"a unbreakable", 5, []string{"a", "unbre", "akabl", "e"}},
		{"ab/cdef/gh", 6, []string{"ab/cde", "f/gh"}},
		{"abc/def/gh", 6, []string{"abc/", "def/gh"}},
		{"患者患者", 3, []string{"患", "者", "患", "者"}},
		{"患", 1, []string{"患"}},
	} {
		require.Equal(t, c.want, wrap(c.s, c.width), c.s)
	}
}

func TestTableBest(t *testing.T) {
	tab := scores()
	tab.Add("tie", 0.5004, 1.0, 0) // prints as 0.500 too
	best := tab.best()
	column := func(c int) (out []bool) {
		for _, row := range best {
			out = append(out, row[c])
		}
		return out
	}
	require.Equal(t, []bool{true, false, false, true}, column(1))
	require.Equal(t, []bool{false, false, false, false}, column(2))
	require.Equal(t, []bool{false, true, false, true}, column(3))

	alone := &Table{Columns: []Column{{Name: "Dice", Unit: Score, Better: Higher}}}
	alone.Add(0.9)
	require.Equal(t, [][]bool{{false}}, alone.best())
}

func TestTableRefusesRaggedRows(t *testing.T) {
	require.PanicsWithValue(t, `report: 1 cells for the 4 columns of table "Scores"`, func() { scores().Add("x") })
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("pipe is gone") }

func TestTableTellsOfAFailedWrite(t *testing.T) {
	require.ErrorContains(t, scores().WriteText(broken{}), "pipe is gone")
}

func TestUnits(t *testing.T) {
	for _, c := range []struct {
		unit Unit
		x    float64
		want string
	}{
		{Score, 0.61249, "0.612"},
		{Score, math.NaN(), "–"},
		{Score, math.Inf(1), "∞"},
		{Percent, 0.825, "82.5 %"},
		{Percent, math.NaN(), "–"},
		{Millimetres, -23.14, "−23.1 mm"},
		{Millimetres, -0.04, "0.0 mm"},
		{CubicMillimetres, 2475.04, "2475.0 mm³"},
		{CubicMillimetres, math.Inf(-1), "−∞ mm³"},
		{Millilitres, 49769, "49.77 ml"},
	} {
		require.Equal(t, c.want, c.unit.Text(c.x))
	}
}

func TestCells(t *testing.T) {
	for _, c := range []struct {
		unit   Unit
		v      any
		want   string
		number bool
	}{
		{Unit{}, 7066434, "7066434", true},
		{Unit{}, int64(-3), "−3", true},
		{Score, 5, "5", true}, // a count stays one in a column of scores
		{Percent, 1, "100.0", true},
		{Score, float32(0.5), "0.500", true},
		{Score, nil, "–", true},
		{Score, true, "yes", false},
		{Score, 90 * time.Second, "1 min 30 s", true},
		{Score, Coronal, "coronal", false},
		{Score, "text", "text", false},
	} {
		text, number := c.unit.cell(c.v)
		require.Equal(t, c.want, text)
		require.Equal(t, c.number, number, c.want)
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                "0 µs",
		12 * time.Microsecond:            "12 µs",
		42*time.Millisecond + 3e5:        "42.3 ms",
		800 * time.Millisecond:           "0.8 s",
		59*time.Second + 940e6:           "59.9 s",
		59*time.Second + 960e6:           "1 min 00 s",
		4*time.Minute + 3*time.Second:    "4 min 03 s",
		time.Hour - 300*time.Millisecond: "1 h 00 min",
		26*time.Hour + 5*time.Minute:     "26 h 05 min",
		-2 * time.Second:                 "−2.0 s",
	} {
		require.Equal(t, want, Duration(d))
	}
}
