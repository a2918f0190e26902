package synth

import (
	"math"
	"slices"

	"voxgrad/volume"
)

// Pair is a synthetic pair on the grid of the scan it was made of.
type Pair struct {
	Images     [2]*volume.Volume
	Lesions    [2]*volume.Mask // all lesions of each time point
	NewLesions *volume.Mask    // those at time 2 and not at time 1
	Painted    [2][]bool       // voxels that are not the source's
	Record     Record          // sizes and places as in the masks above, not on the 1 mm grid
}

// Back brings a painted plan back to the grid of the input. images are the two
// time points in the network's order, normalised.
//
// A voxel is painted where at least half of it is, by linear interpolation of the
// mask, or where it belongs to a lesion that was removed or generated; it gets the
// interpolated intensity of the brain around it, times Scale. All other voxels are
// the input's, unless everywhere says that this image was changed everywhere: then
// all of them come from it. Lesions of the input keep their very voxels. One that has
// none on the 1 mm grid stays at both time points; one that was generated and has
// none on the input's grid is dropped, with a note in the record.
func (s *Scan) Back(pl *Plan, images [2][]float32, everywhere [2]bool) *Pair {
	labels, lesions := s.label(pl)
	rec := Record{Lesions: []Lesion{}, Dropped: slices.Clone(pl.Record.Dropped)}
	pair := &Pair{NewLesions: newMask(s.Input)}
	for t := range 2 {
		pair.Images[t], pair.Lesions[t] = s.Input.Like(), newMask(s.Input)
		present := make([]bool, len(lesions)+1)
		for n, l := range lesions {
			present[n+1] = [2]bool{l.Time1, l.Time2}[t]
		}
		pair.Painted[t] = s.painted(pl, t, labels, lesions, present)
		s.paint(pair, t, fromNetwork(images[t], pl.Size), everywhere[t])
		for i, l := range labels {
			if l > 0 && present[l] {
				pair.Lesions[t].Data[i] = true
			}
		}
	}
	for i, v := range pair.Lesions[1].Data {
		pair.NewLesions.Data[i] = v && !pair.Lesions[0].Data[i]
	}
	s.measure(labels, lesions)
	for _, l := range lesions {
		if l.Voxels == 0 {
			rec.Dropped = append(rec.Dropped, Dropped{Reason: "no voxel on the scan's own grid", Voxels: int(math.Round(l.MM3))})
			continue
		}
		l.Number = len(rec.Lesions) + 1
		rec.Lesions = append(rec.Lesions, l)
	}
	pair.Record = rec
	return pair
}

// newMask is an empty mask on an image's grid, with its header.
func newMask(v *volume.Volume) *volume.Mask {
	m := volume.NewMask(v.Grid)
	m.Source = v.Source
	return m
}

// painted is the mask of the voxels of a time point that change.
func (s *Scan) painted(pl *Plan, t int, labels []int32, lesions []Lesion, present []bool) []bool {
	on := s.canonical(pl.Painted(t)).Resample(s.Input.Grid)
	out := make([]bool, len(labels))
	for i, l := range labels {
		if !s.InputBrain.Data[i] {
			continue
		}
		out[i] = on.Data[i]
		if l > 0 {
			out[i] = present[l] == (lesions[l-1].Origin == Generated)
		}
	}
	return out
}

// paint makes the image of a time point from what the networks made of it.
func (s *Scan) paint(pair *Pair, t int, values []float32, everywhere bool) {
	im := s.Image.Like()
	im.Data = values
	brain := s.Brain.Volume()
	out := pair.Images[t]
	if everywhere {
		for i, v := range volume.Resample(im, s.Input.Grid, volume.Linear, 0).Data {
			out.Data[i] = float32(float64(v) * s.Scale)
		}
		return
	}
	for i, v := range im.Data {
		im.Data[i] = v * brain.Data[i]
	}
	value := volume.Resample(im, s.Input.Grid, volume.Linear, 0)
	weight := volume.Resample(brain, s.Input.Grid, volume.Linear, 0)
	for i, v := range s.Input.Data {
		if pair.Painted[t][i] && weight.Data[i] > 0 {
			v = float32(float64(value.Data[i]) / float64(weight.Data[i]) * s.Scale)
		}
		out.Data[i] = v
	}
}

// measure fills in the lesions' sizes and places on the input's grid.
func (s *Scan) measure(labels []int32, lesions []Lesion) {
	g := s.Input.Grid
	sum := make([][3]float64, len(lesions))
	count := make([]int, len(lesions))
	for i, l := range labels {
		if l == 0 {
			continue
		}
		at := [3]int{i % g.Size[0], i / g.Size[0] % g.Size[1], i / g.Size[0] / g.Size[1]}
		for a, x := range at {
			sum[l-1][a] += float64(x)
		}
		count[l-1]++
	}
	spacing := s.Input.Spacing()
	for n := range lesions {
		l := &lesions[n]
		l.Voxels = count[n]
		if l.Voxels == 0 {
			continue
		}
		l.MM3 = float64(l.Voxels) * spacing[0] * spacing[1] * spacing[2]
		for a := range sum[n] {
			l.CentroidVoxel[a] = sum[n][a] / float64(l.Voxels)
		}
		mm := g.Affine.Apply(l.CentroidVoxel)
		l.CentroidMM = &mm
	}
}
