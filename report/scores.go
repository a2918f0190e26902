package report

import (
	"fmt"
	"strings"

	"voxgrad/internal/text"
	"voxgrad/metrics"
)

// Measure is how a measure of package metrics is shown.
type Measure struct {
	Key    string
	Name   string
	Unit   Unit
	Better Direction // Neither for counts of what a case is
}

// percentValue is for a value that is in per cent already.
var percentValue = Unit{Symbol: "%", Digits: 1}

// The measures in groups that fit a page: what the challenge ranks by and counts,
// overlap of voxels, distances, and the false alarms of cases without lesions.
var (
	DetectionMeasures = []Measure{
		{"dice", "Dice", Score, Higher},
		{"lesion_sensitivity", "lesion sens.", Score, Higher},
		{"lesion_ppv", "lesion PPV", Score, Higher},
		{"lesion_f1", "lesion F1", Score, Higher},
		{"truth_lesions", "true lesions", Unit{}, Neither},
		{"pred_lesions", "pred. lesions", Unit{}, Neither},
	}
	VoxelMeasures = []Measure{
		{"jaccard", "Jaccard", Score, Higher},
		{"sensitivity", "sensitivity", Score, Higher},
		{"specificity", "specificity", Unit{Digits: 5}, Higher},
		{"ppv", "PPV", Score, Higher},
		{"npv", "NPV", Unit{Digits: 5}, Higher},
		{"relative_volume_error", "volume error", percentValue, Neither},
	}
	SurfaceMeasures = []Measure{
		{"hausdorff", "Hausdorff", Unit{Symbol: "mm", Digits: 2}, Lower},
		{"contour_mean_distance", "contour mean", Unit{Symbol: "mm", Digits: 2}, Lower},
		{"average_surface_distance", "average surface", Unit{Symbol: "mm", Digits: 2}, Lower},
	}
	FalseAlarmMeasures = []Measure{
		{"tested_lesions", "false lesions", Unit{}, Lower},
		{"tested_volume", "their volume", CubicMillimetres, Lower},
	}
)

// measureGroups are the tables of scores, in order.
var measureGroups = []struct {
	title    string
	measures []Measure
	empty    bool // for cases without lesions
}{
	{"Detection and Dice", DetectionMeasures, false},
	{"Overlap of voxels", VoxelMeasures, false},
	{"Distances between surfaces", SurfaceMeasures, false},
	{"Cases without lesions: false alarms", FalseAlarmMeasures, true},
}

// MeasureOf is the measure with that key; one that is not known is shown under
// its key.
func MeasureOf(key string) Measure {
	for _, g := range measureGroups {
		for _, m := range g.measures {
			if m.Key == key {
				return m
			}
		}
	}
	return Measure{Key: key, Name: key, Unit: Score}
}

// ScoreTables are the measures of cases in tables narrow enough for a page, a row
// per case, and below it, where sum is of more than one case, the means. Cases without
// lesions stand in a table of their own. Tables that would be empty are left out.
func ScoreTables(cases []metrics.Case, sum metrics.Summary) []*Table {
	var tables []*Table
	for _, g := range measureGroups {
		t := &Table{Title: g.title, Columns: []Column{{Name: "case"}}}
		for _, m := range g.measures {
			t.Columns = append(t.Columns, Column{Name: m.Name, Unit: m.Unit})
		}
		some := false
		for _, c := range cases {
			if c.Result.EmptyTruth() != g.empty {
				continue
			}
			row := []any{c.Name}
			for _, m := range g.measures {
				if v, ok := c.Result.Value(m.Key); ok {
					row, some = append(row, v), true
				} else {
					row = append(row, nil)
				}
			}
			t.Add(row...)
		}
		if !some {
			continue
		}
		if len(t.Rows) > 1 {
			row := []any{fmt.Sprintf("mean of %d", len(t.Rows))}
			for _, m := range g.measures {
				s, ok := sum.Measure(m.Key)
				switch {
				case !ok: // how many lesions there are is not averaged
					row = append(row, "")
				case m.Unit.Digits == 0:
					row = append(row, Figure(Unit{Digits: 2}.Format(s.Mean)))
				default:
					row = append(row, s.Mean)
				}
			}
			t.AddSummary(row...)
		}
		tables = append(tables, t)
	}
	return tables
}

// SummaryTable is the spread of each measure over the cases.
func SummaryTable(sum metrics.Summary) *Table {
	t := &Table{Title: "Means over cases", Columns: []Column{
		{Name: "measure"}, {Name: "n"}, {Name: "mean"}, {Name: "95 % interval"}, {Name: "SD"}, {Name: "median"}, {Name: "undefined"},
	}}
	for _, g := range measureGroups {
		for _, m := range g.measures {
			s, ok := sum.Measure(m.Key)
			if !ok {
				continue
			}
			unit := m.Unit
			if unit.Digits == 0 {
				unit.Digits = 2 // the mean of counts
			}
			t.Add(Column{Name: m.Name, Unit: unit}.head(), s.N, Figure(unit.Format(s.Mean)), Figure(unit.Range(s.Low, s.High)),
				Figure(unit.Format(s.SD)), Figure(unit.Format(s.Median)), s.Undefined)
		}
	}
	t.Note = fmt.Sprintf("%s with lesions, %d without. %s", text.Plural(sum.With, "case"), sum.Without, sum.Rule)
	return t
}

// boxGroups are the box plots of an evaluation: measures that share an axis.
var boxGroups = []struct {
	title     string
	keys      []string
	low, high float64
}{
	{"Scores (1 is best)", []string{"dice", "jaccard", "lesion_sensitivity", "lesion_ppv", "lesion_f1", "sensitivity", "ppv"}, 0, 1},
	{"Scores close to 1", []string{"specificity", "npv"}, 0, 0},
	{"Distances", []string{"hausdorff", "contour_mean_distance", "average_surface_distance"}, 0, 1},
	{"Volume error", []string{"relative_volume_error"}, 0, 0},
	{"Cases without lesions", []string{"tested_lesions"}, 0, 1},
	{"Cases without lesions", []string{"tested_volume"}, 0, 1},
}

// BoxPlots are the box plots of every measure that some case has, of one method
// or of several side by side; cases[n] belong to methods[n].
func BoxPlots(methods []string, cases ...[]metrics.Case) []*BoxPlot {
	var plots []*BoxPlot
	for _, g := range boxGroups {
		b := &BoxPlot{Title: g.title, Methods: methods, Low: g.low, High: g.high}
		for _, key := range g.keys {
			m := MeasureOf(key)
			row := BoxRow{Name: boxName(m), Values: make([][]float64, len(methods))}
			some := false
			for n := range methods {
				for i := range cases[n] {
					r := &cases[n][i].Result
					tested := strings.HasPrefix(key, "tested_")
					if v, ok := r.Value(key); ok && r.EmptyTruth() == tested {
						row.Values[n] = append(row.Values[n], v)
						some = true
					}
				}
			}
			if some {
				b.Rows = append(b.Rows, row)
				b.Unit = m.Unit
			}
		}
		if len(b.Rows) > 0 {
			plots = append(plots, b)
		}
	}
	return plots
}

// boxName is a measure's name with what it is of, voxels or lesions.
func boxName(m Measure) string {
	switch m.Key {
	case "sensitivity", "ppv":
		return "voxel " + m.Name
	}
	return m.Name
}

// boxNote explains a box plot.
const boxNote = "A point is a case. The box reaches from the first to the third quartile, the thick line is the median, the cross the mean; " +
	"whiskers end at the last value within 1.5 box lengths."

// Boxes adds box plots, with what their parts mean once under the last.
func (p *Page) Boxes(plots ...*BoxPlot) {
	for _, b := range plots {
		c, err := Boxes(b)
		if err != nil {
			p.fail(err)
			return
		}
		p.Chart(c, "box plots: "+b.Title, "")
	}
	if len(plots) > 0 {
		p.note(boxNote)
	}
}

// Scores adds the tables of an evaluation and, of two cases or more, means,
// intervals and box plots.
func (p *Page) Scores(cases []metrics.Case, sum metrics.Summary) {
	p.Section("Scores")
	for _, t := range ScoreTables(cases, sum) {
		p.Table(t)
	}
	if len(cases) < 2 {
		return
	}
	p.Section("Means and spread")
	p.Table(SummaryTable(sum))
	p.Boxes(BoxPlots([]string{"cases"}, cases)...)
}

// ScoredCase adds a section with a case's lesions: both lists and, if there are
// scans, a figure for each of at most most lesions (see Figures).
func (p *Page) ScoredCase(s *Scored, most int) error {
	truth, pred, err := s.Tables()
	if err != nil {
		return fmt.Errorf("%s: %w", s.Name, err)
	}
	p.Section("Lesions of " + s.Name)
	p.Table(truth)
	if s.Images.Time2 != nil && most > 0 {
		if err := p.figures(s, most); err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	p.Table(pred)
	p.note(s.explain())
	return nil
}

// figures adds the pictures of a case's lesions, with what their colours mean.
func (p *Page) figures(s *Scored, most int) error {
	figures, left, err := s.Figures(most)
	if err != nil {
		return err
	}
	if len(figures) > 0 {
		display := "Radiological display: the patient's left is on the right."
		if s.Images.Convention == Neurological {
			display = "Neurological display: the patient's left is on the left."
		}
		p.Legend(Swatch{TruePositive, "true positive"}, Swatch{FalseNegative, "false negative"}, Swatch{FalsePositive, "false positive"})
		p.note(display + " The frame on the slice shows where the close-up is.")
	}
	for _, f := range figures {
		p.Pictures(f.Caption, Picture{f.Slices, "whole slices: " + f.Caption}, Picture{f.Closeup, "close-ups: " + f.Caption})
	}
	switch {
	case left == 1:
		p.note("One more lesion or false positive is in the tables only.")
	case left > 1:
		p.note(fmt.Sprintf("%d more lesions and false positives are in the tables only.", left))
	}
	return nil
}

// explain reports what the columns mean.
func (s *Scored) explain() string {
	text := "Positions are centroids in mm: x to the patient's right, y to the front, z up. " +
		"Covered: the share of the lesion's voxels that lie in lesions of the other mask."
	if s.Images.Prob != nil {
		text += " Probabilities are over the lesion's voxels."
	}
	if n := len(s.Members); n > 0 {
		text += fmt.Sprintf(" Members: how many of the %d networks mark more than %s of the lesion.", n, Percent.Text(s.Alpha))
	}
	return text
}
