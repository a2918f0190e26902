package report

import (
	"bytes"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/metrics"
)

// measured is a case with lesions and that Dice; falseAlarms is one without.
func measured(name string, dice float64) metrics.Case {
	return metrics.Case{Name: name, Result: metrics.Result{
		Voxel:   &metrics.Voxel{Dice: dice, Jaccard: dice / (2 - dice), Sensitivity: dice, PPV: math.NaN(), Specificity: 0.99991, NPV: 0.9998, RelativeVolumeError: -12},
		Surface: &metrics.Surface{Hausdorff: 10 * dice, ContourMean: 1, Average: 0.5},
		Lesion:  &metrics.LesionScores{Sensitivity: 0.5, PPV: 1, F1: 2.0 / 3},
	}}
}

func falseAlarms(alarms int) metrics.Case {
	return metrics.Case{Name: "clean", Result: metrics.Result{Tested: &metrics.Tested{Lesions: alarms, VolumeMM3: 10}}}
}

func someCases() []metrics.Case {
	return []metrics.Case{measured("a", 0.2), measured("b", 0.4), measured("c", 0.9), falseAlarms(3)}
}

func TestScoreTablesFitAndSeparate(t *testing.T) {
	cases := someCases()
	sum, err := metrics.Summarize(cases, metrics.DefaultBootstrap())
	require.NoError(t, err)
	tables := ScoreTables(cases, sum)
	var titles []string
	for _, x := range tables {
		titles = append(titles, x.Title)
		require.LessOrEqual(t, len(x.Columns), 7)
	}
	require.Equal(t, []string{"Detection and Dice", "Overlap of voxels", "Distances between surfaces", "Cases without lesions: false alarms"}, titles)
	text := tables[0].String()
	require.Contains(t, text, "mean of 3  0.500")
	require.NotContains(t, text, "clean")
	require.Contains(t, tables[3].String(), "clean")
	require.NotContains(t, tables[3].String(), "mean of")
	require.Contains(t, tables[1].String(), "–", "PPV is undefined")

	// Nothing of a group: no table of it.
	tables = ScoreTables(cases[3:], sum)
	require.Len(t, tables, 1)

	spread := SummaryTable(sum).String()
	require.Contains(t, spread, "3 cases with lesions, 1 without.")
	require.Contains(t, strings.Join(strings.Fields(spread), " "), metrics.Rule)
	require.Contains(t, spread, "false lesions")
}

func TestEveryKeyIsShown(t *testing.T) {
	for _, key := range metrics.Keys() {
		found := false
		for _, g := range measureGroups {
			for _, m := range g.measures {
				found = found || m.Key == key
			}
		}
		require.True(t, found, key)
		if key == "truth_lesions" || key == "pred_lesions" {
			continue
		}
		plotted := false
		for _, g := range boxGroups {
			for _, k := range g.keys {
				plotted = plotted || k == key
			}
		}
		require.True(t, plotted, key)
	}
	require.Equal(t, Measure{Key: "other", Name: "other", Unit: Score}, MeasureOf("other"))
}

func TestBoxPlots(t *testing.T) {
	plots := BoxPlots([]string{"ours", "theirs"}, someCases(), someCases()[1:])
	require.Len(t, plots, 6)
	require.Equal(t, "Dice", plots[0].Rows[0].Name)
	require.Equal(t, [][]float64{{0.2, 0.4, 0.9}, {0.4, 0.9}}, plots[0].Rows[0].Values)
	require.Equal(t, [][]float64{{3}, {3}}, plots[4].Rows[0].Values)
	for _, b := range plots {
		c, err := Boxes(b)
		require.NoError(t, err)
		svg, err := c.svg()
		require.NoError(t, err)
		requireXML(t, svg)
		again, err := c.svg()
		require.NoError(t, err)
		require.Equal(t, svg, again)
		require.Contains(t, string(svg), "theirs")
		var b bytes.Buffer
		require.NoError(t, c.WritePNG(&b, 72))
		_, err = png.Decode(&b)
		require.NoError(t, err)
	}
	p := NewPage("boxes")
	p.Boxes(plots...)
	html := render(t, p)
	requireXML(t, []byte(html))
	require.Equal(t, 6, strings.Count(html, "<svg"))
	require.Equal(t, 1, strings.Count(html, "thick line is the median"))
	require.NotContains(t, html, hexColor(inkColor))

	p = NewPage("nothing")
	p.Boxes()
	require.NotContains(t, render(t, p), "median")
}

func TestBoxesDegenerateValues(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, v := range map[string][]float64{
		"none": nil, "undefined": {nan, nan}, "one": {0.3}, "equal": {2, 2, 2, 2}, "infinite": {inf, 1, 2, -inf}, "wide": {-1e300, 1e300, 0},
	} {
		c, err := Boxes(&BoxPlot{Title: name, Methods: []string{"m"}, Rows: []BoxRow{{name, [][]float64{v}}}})
		require.NoError(t, err)
		svg, err := c.svg()
		require.NoError(t, err)
		requireXML(t, svg)
		require.NotContains(t, string(svg), "NaN", name)
		require.NotContains(t, string(svg), "Inf", name)
	}
	_, err := Boxes(&BoxPlot{Methods: []string{"m"}})
	require.ErrorContains(t, err, "no rows")
	_, err = Boxes(&BoxPlot{Methods: make([]string, 5), Rows: []BoxRow{{}}})
	require.ErrorContains(t, err, "5 methods")
	_, err = Boxes(&BoxPlot{Methods: []string{"m"}, Rows: []BoxRow{{"dice", nil}}})
	require.ErrorContains(t, err, `row "dice"`)
}

func TestLongNamesOfMethodsAreCut(t *testing.T) {
	long := strings.Repeat("experiments/run/", 20)
	c, err := Boxes(&BoxPlot{Methods: []string{long, "b"}, Rows: []BoxRow{{"dice", [][]float64{{1}, {2}}}}})
	require.NoError(t, err)
	svg, err := c.svg()
	require.NoError(t, err)
	require.NotContains(t, string(svg), long)
	require.Contains(t, string(svg), "experiments/run/")
	require.Contains(t, string(svg), "…")
}

func TestQuartilesAndWhiskers(t *testing.T) {
	v := []float64{1, 2, 3, 4, 100}
	require.Equal(t, []float64{2, 3, 4}, []float64{quartile(v, 0.25), quartile(v, 0.5), quartile(v, 0.75)})
	from, to := whiskers(v, 2, 4)
	require.Equal(t, []float64{1, 4}, []float64{from, to}, "100 lies outside 1.5 lengths")
	require.Equal(t, 1.5, quartile([]float64{1, 2}, 0.5))
	require.Equal(t, 7.0, quartile([]float64{7}, 0.25))
}

func TestNotesWrapOnATerminal(t *testing.T) {
	x := &Table{Columns: []Column{{Name: "a"}}, Note: strings.Repeat("word ", 60) + strings.Repeat("x", 150)}
	lines := strings.Split(strings.TrimSpace(x.String()), "\n")
	require.GreaterOrEqual(t, len(lines), 2+3)
	for _, l := range lines[2 : len(lines)-1] {
		require.LessOrEqual(t, len(l), lineWidth)
	}
}
