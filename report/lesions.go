package report

import (
	"fmt"
	"math"

	"voxgrad/volume"
)

// Lesion is one connected component of a mask.
type Lesion struct {
	Number    int        // 1, 2, … by decreasing size
	Voxels    int        //
	VolumeMM3 float64    //
	World     [3]float64 // mean position in NIfTI's world, in mm: x to the right, y to the front, z up
	MeanProb  float64    // mean probability over its voxels; NaN without a map
	MaxProb   float64    // the highest of them; NaN without a map
	Members   []float64  // mean probability by each member of an ensemble; nil where that is not known
}

// Spread is the standard deviation of what the members say of a lesion; NaN for fewer than two.
func (l Lesion) Spread() float64 {
	n := float64(len(l.Members))
	if n < 2 {
		return math.NaN()
	}
	mean, squares := 0.0, 0.0
	for _, p := range l.Members {
		mean += p / n
	}
	for _, p := range l.Members {
		squares += (p - mean) * (p - mean)
	}
	return math.Sqrt(squares / (n - 1))
}

// Agree is the number of members whose mean probability of a lesion is above a threshold.
func (l Lesion) Agree(threshold float64) (n int) {
	for _, p := range l.Members {
		if p > threshold {
			n++
		}
	}
	return n
}

// AddMembers tells of each lesion what the members of an ensemble say of it, by their maps on the mask's grid.
func (f *Found) AddMembers(members []*volume.Volume) {
	for n := range f.Lesions {
		f.Lesions[n].Members = make([]float64, len(members))
	}
	for m, prob := range members {
		for i, l := range f.Labels {
			if l > 0 {
				x := &f.Lesions[l-1]
				x.Members[m] += float64(prob.Data[i]) / float64(x.Voxels)
			}
		}
	}
}

// Found is the lesions of a mask.
type Found struct {
	Lesions []Lesion // the largest first
	Labels  []int32  // the number of the lesion that a voxel belongs to; 0 for none

	// The pieces that were too small, and their voxels, which are in no lesion.
	Small, SmallVoxels int
}

// Lesions finds the lesions of a mask: its components of at least least voxels, by
// a connectivity of 6 (a face in common, as in package metrics), 18 (an edge) or 26
// (a corner). prob may be nil; the error is for a map on another grid.
func Lesions(mask *volume.Mask, prob *volume.Volume, connectivity int, least float64) (*Found, error) {
	labels, comps, list, err := findLesions(mask, mask.Data, prob, connectivity)
	if err != nil {
		return nil, err
	}
	f := &Found{Lesions: list, Labels: labels}
	for n := len(list); n > 0 && float64(list[n-1].Voxels) < least; n-- { // by decreasing size
		f.Lesions = list[:n-1]
		f.Small++
		f.SmallVoxels += comps[n-1].Voxels
	}
	if f.Small > 0 {
		for x, l := range labels {
			if int(l) > len(f.Lesions) {
				labels[x] = 0
			}
		}
	}
	return f, nil
}

// findLesions lists the components of inside, on the grid of v; labels hold the
// number of the lesion at each voxel.
func findLesions(v volume.Image, inside []bool, prob *volume.Volume, connectivity int) (labels []int32, comps []volume.Component, list []Lesion, err error) {
	if prob != nil {
		if err := volume.SameSpace(v, prob); err != nil {
			return nil, nil, nil, err
		}
	}
	g, spacing := volume.Place(v)
	labels, comps, err = volume.Components(inside, g.Size, connectivity)
	if err != nil {
		return nil, nil, nil, err
	}
	list = make([]Lesion, len(comps))
	voxel := spacing[0] * spacing[1] * spacing[2]
	for n, c := range comps {
		list[n] = Lesion{
			Number: n + 1, Voxels: c.Voxels, VolumeMM3: float64(c.Voxels) * voxel,
			World:    g.World(c.Centroid[0], c.Centroid[1], c.Centroid[2]),
			MeanProb: math.NaN(), MaxProb: math.NaN(),
		}
	}
	if prob == nil {
		return labels, comps, list, nil
	}
	sum := make([]float64, len(list))
	for x, l := range labels {
		if l > 0 {
			p := float64(prob.Data[x])
			sum[l-1] += p
			if top := &list[l-1].MaxProb; !(p <= *top) {
				*top = p
			}
		}
	}
	for n := range list {
		list[n].MeanProb = sum[n] / float64(list[n].Voxels)
	}
	return labels, comps, list, nil
}

// LesionTable is the table of a list of lesions, with their total volume. The
// columns of probabilities are there if a lesion has one; of an ensemble those of its members, how many of them are above the threshold and how
// much they differ.
func LesionTable(title string, list []Lesion, threshold float64) *Table {
	t := &Table{Title: title, Columns: []Column{
		{Name: "lesion"},
		{Name: "x", Unit: Millimetres}, {Name: "y", Unit: Millimetres}, {Name: "z", Unit: Millimetres},
		{Name: "volume", Unit: CubicMillimetres}, {Name: "voxels"},
	}}
	probs := false
	for _, l := range list {
		probs = probs || !math.IsNaN(l.MeanProb)
	}
	if probs {
		t.Columns = append(t.Columns, Column{Name: "mean prob.", Unit: Probability}, Column{Name: "max prob.", Unit: Probability})
	}
	members := len(list) > 0 && len(list[0].Members) > 1
	if members {
		t.Columns = append(t.Columns, Column{Name: "members"}, Column{Name: "their SD", Unit: Probability})
	}
	volume, voxels := 0.0, 0
	for _, l := range list {
		cells := []any{l.Number, l.World[0], l.World[1], l.World[2], l.VolumeMM3, l.Voxels}
		if probs {
			cells = append(cells, l.MeanProb, l.MaxProb)
		}
		if members {
			cells = append(cells, fmt.Sprintf("%d of %d", l.Agree(threshold), len(l.Members)), l.Spread())
		}
		t.Add(cells...)
		volume += l.VolumeMM3
		voxels += l.Voxels
	}
	if len(list) == 0 {
		t.Note = "No lesions."
		return t
	}
	total := []any{len(list), "", "", "", volume, voxels}
	if probs {
		total = append(total, "", "")
	}
	if members {
		total = append(total, "", "")
	}
	t.AddSummary(total...)
	t.Note = "Positions are centroids in mm: x to the patient's right, y to the front, z up. Last line: number of lesions, total."
	if members {
		t.Note += fmt.Sprintf(" Members: those whose mean probability is above %g too.", threshold)
	}
	return t
}
