package prepare

import (
	"cmp"
	"slices"

	"voxgrad/volume"
)

// Registered is the rigid motion between two time points.
type Registered struct {
	// Half maps points of the space between the scans to points of each.
	Half        [2]volume.Transform
	Correlation float64 // of the locally normalised images at the end
	Overlap     float64 // share of what counts in a scan that the other one shows, the smaller of both
}

// Between is the motion from points of the first scan to points of the second.
func (r *Registered) Between() volume.Transform { return pose(r.Half).between() }

// stages of the registration: voxels, windows of the local normalisation, all in mm, and how
// many candidates go on to it.
var stages = []struct {
	mm, window float64
	keep       int
	steps      int
	tolerance  float64
}{
	{searchMM, 24, 24, 12, 0.5},
	{4, 16, 4, 15, 0.1},
	{2, 10, 1, 20, 0.005},
}

// Register finds the rigid motion between two scans of one head, wherever they lie: a search
// over large turns and shifts, then alignment from coarse to fine. What counts is inside the
// masks, on the grids of the scans; nil: the head is found.
func Register(a, b *volume.Volume, maskA, maskB *volume.Mask) (*Registered, error) {
	var scans [2]*scan
	for n, v := range []*volume.Volume{a, b} {
		s, err := newScan(v, []*volume.Mask{maskA, maskB}[n])
		if err != nil {
			return nil, err
		}
		scans[n] = s
	}
	coarse, err := levels(scans, searchMM, 0)
	if err != nil {
		return nil, err
	}
	list := distinct(search(coarse[0], coarse[1]), stages[0].keep, coarse[0].samples())
	var f fit
	for _, st := range stages {
		l, err := levels(scans, st.mm, st.window)
		if err != nil {
			return nil, err
		}
		list = list[:min(len(list), st.keep)]
		a := aligner{levels: l, free: rigid}
		for n, c := range list {
			var p pose
			p, f = a.align(halfway(c.motion), st.steps, st.tolerance)
			list[n] = candidate{p.between(), f.correlation * min(1, f.overlap/leastSeen)}
		}
		slices.SortStableFunc(list, func(x, y candidate) int { return cmp.Compare(y.score, x.score) })
	}
	return &Registered{Half: halfway(list[0].motion), Correlation: f.correlation, Overlap: f.overlap}, nil
}

func levels(scans [2]*scan, mm, window float64) (l [2]*level, err error) {
	for n, s := range scans {
		if l[n], err = s.at(mm, window); err != nil {
			return l, err
		}
	}
	return l, nil
}

// distinct is the best n of a sorted list that are not next to a better one.
func distinct(list []candidate, n int, points []sample) (out []candidate) {
	var some [][3]float64
	for k := 0; k < len(points); k += 1 + len(points)/64 {
		some = append(some, points[k].at)
	}
	for _, c := range list {
		if len(out) == n {
			break
		}
		if !slices.ContainsFunc(out, func(o candidate) bool { return apart(o.motion, c.motion, some) < 12 }) {
			out = append(out, c)
		}
	}
	return out
}
