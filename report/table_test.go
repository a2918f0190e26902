package report

import (
	"errors"
	"math"
	"strings"
	"testing"

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
