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

// stages of the registration, from coarse to fine.
var stages = []struct {
	level     int     // of the pyramid
	window    float64 // of the local normalisation, mm
	keep      int     // how many candidates go on to it
	steps     int
	tolerance float64 // mm
}{
	{2, 24, 24, 12, 0.5},
	{1, 16, 4, 15, 0.1},
	{0, 10, 1, 20, 0.005},
}

// Register finds the rigid motion between two scans of one head, wherever they lie: a search
// over large turns and shifts, then alignment from coarse to fine. What counts is inside the
// masks, on the grids of the scans; nil: the head is found.
func Register(a, b *volume.Volume, maskA, maskB *volume.Mask) (*Registered, error) {
	var levels [3][2]*level
	for n, v := range []*volume.Volume{a, b} {
		s, err := newScan(v, []*volume.Mask{maskA, maskB}[n])
		if err != nil {
			return nil, err
		}
		p, err := s.pyramid()
		if err != nil {
			return nil, err
		}
		for k := range p {
			levels[k][n] = p[k]
		}
	}
	coarse := levels[2]
	list := distinct(search(coarse[0], coarse[1]), stages[0].keep, coarse[0].samples())
	var f fit
	for _, st := range stages {
		l := levels[st.level]
		a := aligner{levels: [2]*level{l[0].normalised(st.window), l[1].normalised(st.window)}, free: rigid}
		list = list[:min(len(list), st.keep)]
		for n, c := range list {
			var p pose
			p, f = a.align(halfway(c.motion), st.steps, st.tolerance)
			list[n] = candidate{p.between(), f.correlation * min(1, f.overlap/leastSeen)}
		}
		slices.SortStableFunc(list, func(x, y candidate) int { return cmp.Compare(y.score, x.score) })
	}
	return &Registered{Half: halfway(list[0].motion), Correlation: f.correlation, Overlap: f.overlap}, nil
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
