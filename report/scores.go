package report

import (
	"fmt"

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
	t.Note = fmt.Sprintf("%d cases with lesions, %d without. %s", sum.With, sum.Without, sum.Rule)
	return t
}
