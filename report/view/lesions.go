package view

import (
	"fmt"
	"image/color"
	"math"

	"voxgrad/report"
	"voxgrad/volume"
)

// Status states how a lesion fared.
type Status string

// With a mask and a truth a lesion is Found, Missed or False; with one of them it
// is Marked.
const (
	Found  Status = "found"  // of the truth; the mask has a voxel of it
	Missed Status = "missed" // of the truth; the mask has none
	False  Status = "false"  // of the mask; the truth has no voxel of it
	Marked Status = "marked"
)

// Lesion is one connected component of a mask (voxels that share a face, an edge
// or a corner).
type Lesion struct {
	Number    int        `json:"number"` // 1, 2, …: those of the truth by decreasing size, then the false ones
	Status    Status     `json:"status"`
	Voxels    int        `json:"voxels"`
	VolumeMM3 float64    `json:"volume_mm3"`
	Centroid  [3]float64 `json:"centroid_mm"` // mean position, NIfTI's world: x to the right, y to the front, z up
	Point     [3]float64 `json:"point_mm"`    // the middle of its voxel that is nearest to Centroid

	// Covered is the share of a found lesion's voxels that the mask has; nil for others.
	Covered *float64 `json:"covered"`
	// MaxProbability is the highest probability in it; nil without a map on its grid.
	MaxProbability *float64 `json:"max_probability"`
}

// FindLesions lists the lesions of mask, of truth, or of both against each other;
// one of them, and prob, may be nil. The error is for grids that differ.
func FindLesions(mask, truth, prob *volume.Volume) ([]Lesion, error) {
	for _, other := range []*volume.Volume{truth, prob} {
		if mask != nil && other != nil {
			if err := volume.SameSpace(other, mask); err != nil {
				return nil, err
			}
		}
	}
	if mask == nil || truth == nil {
		one := mask
		if one == nil {
			one = truth
		}
		if prob != nil {
			if err := volume.SameSpace(prob, one); err != nil {
				return nil, err
			}
		}
		return number(components(one, nil, prob, Marked, Marked))
	}
	trueOnes, err := components(truth, mask, prob, Found, Missed)
	if err != nil {
		return nil, err
	}
	marked, err := components(mask, truth, prob, Found, False)
	if err != nil {
		return nil, err
	}
	all := trueOnes
	for _, l := range marked {
		if l.Status == False {
			all = append(all, l)
		}
	}
	return number(all, nil)
}

func number(list []Lesion, err error) ([]Lesion, error) {
	for n := range list {
		list[n].Number = n + 1
	}
	return list, err
}

// components lists those of v by decreasing size, with the status touched where
// other has a voxel of them, else untouched.
func components(v, other, prob *volume.Volume, touched, untouched Status) ([]Lesion, error) {
	labels, comps, err := volume.Components(v.NonZero().Data, v.Size, 26)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.Name(), err)
	}
	list := make([]Lesion, len(comps))
	nearest := make([]float64, len(comps)) // squared distance of Point from Centroid
	covered := make([]int, len(comps))
	spacing := v.Spacing()
	for n, c := range comps {
		list[n] = Lesion{
			Status: untouched, Voxels: c.Voxels,
			VolumeMM3: float64(c.Voxels) * spacing[0] * spacing[1] * spacing[2],
			Centroid:  v.World(c.Centroid[0], c.Centroid[1], c.Centroid[2]),
		}
		nearest[n] = math.Inf(1)
		if prob != nil {
			list[n].MaxProbability = new(float64)
			*list[n].MaxProbability = math.Inf(-1)
		}
	}
	for x, label := range labels {
		if label == 0 {
			continue
		}
		n := label - 1
		l := &list[n]
		i, j, k := x%v.Size[0], x/v.Size[0]%v.Size[1], x/(v.Size[0]*v.Size[1])
		p := v.World(float64(i), float64(j), float64(k))
		if d := squared(p, l.Centroid); d < nearest[n] {
			nearest[n], l.Point = d, p
		}
		if prob != nil {
			*l.MaxProbability = max(*l.MaxProbability, float64(prob.Data[x]))
		}
		if other != nil && other.Data[x] != 0 {
			covered[n]++
		}
	}
	for n := range list {
		if covered[n] > 0 {
			share := float64(covered[n]) / float64(list[n].Voxels)
			list[n].Status, list[n].Covered = touched, &share
		}
	}
	return list, nil
}

func squared(a, b [3]float64) float64 {
	x, y, z := a[0]-b[0], a[1]-b[1], a[2]-b[2]
	return x*x + y*y + z*z
}

// maxListed bounds the page's list: a mask of noise has many thousands of pieces.
const maxListed = 1000

// addLesions lists the lesions; with a map on another grid they have no probability.
func (s *Study) addLesions(mask, truth, prob *volume.Volume) error {
	one := mask
	if one == nil {
		one = truth
	}
	if prob != nil && volume.SameSpace(one, prob) != nil {
		s.note("%s and %s are on different grids: the list has no probabilities.", one.Name(), prob.Name())
		prob = nil
	}
	list, err := FindLesions(mask, truth, prob)
	if err != nil {
		return err
	}
	if len(list) > maxListed {
		s.note("The first %d of %d lesions are listed.", maxListed, len(list))
		list = list[:maxListed]
	}
	s.content.Lesions = list
	return nil
}

func rgb(c color.RGBA) [3]uint8 { return [3]uint8{c.R, c.G, c.B} }

// heatColors is the scale of report.Heat.
func heatColors() [][3]uint8 {
	const steps = 16
	var all [][3]uint8
	for i := range steps {
		all = append(all, rgb(report.Heat(float64(i)/(steps-1))))
	}
	return all
}
