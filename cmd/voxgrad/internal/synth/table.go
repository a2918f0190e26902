package synth

import (
	"fmt"

	"voxgrad/report"
	"voxgrad/synth"
)

// synthLesionTable lists the lesions of one pair.
func synthLesionTable(r synthRecord) *report.Table {
	t := &report.Table{Title: "lesions", Columns: []report.Column{
		{Name: "lesion"}, {Name: "what"},
		{Name: "x", Unit: report.Millimetres}, {Name: "y", Unit: report.Millimetres}, {Name: "z", Unit: report.Millimetres},
		{Name: "volume", Unit: report.CubicMillimetres}, {Name: "voxels"},
	}}
	for _, l := range r.Lesions {
		t.Add(l.Number, outcome(l), l.CentroidMM[0], l.CentroidMM[1], l.CentroidMM[2], l.MM3, l.Voxels)
	}
	t.Note = fmt.Sprintf("%d at time 1, %d at time 2, %d of them new. Positions are centroids in mm: x to the patient's right, y to the front, z up.",
		r.Count(func(l synth.Lesion) bool { return l.Time1 }), r.Count(func(l synth.Lesion) bool { return l.Time2 }), r.Count(isNew))
	for _, d := range r.Dropped {
		t.Note += fmt.Sprintf("\nNot generated (%d mm³): %s.", d.Voxels, d.Reason)
	}
	return t
}

// synthTable has one line for each pair.
func synthTable(records []synthRecord) *report.Table {
	t := &report.Table{Title: "pairs", Columns: []report.Column{
		{Name: "pair"}, {Name: "lesions, time 1"}, {Name: "time 2"}, {Name: "new"}, {Name: "new volume", Unit: report.CubicMillimetres},
		{Name: "generated"}, {Name: "not generated"},
	}}
	for _, r := range records {
		volume := 0.0
		for _, l := range r.Lesions {
			if l.New {
				volume += l.MM3
			}
		}
		t.Add(r.Pair, r.Count(func(l synth.Lesion) bool { return l.Time1 }), r.Count(func(l synth.Lesion) bool { return l.Time2 }),
			r.Count(isNew), volume, r.Count(func(l synth.Lesion) bool { return l.Origin == synth.Generated }), len(r.Dropped))
	}
	return t
}

func isNew(l synth.Lesion) bool { return l.New }
