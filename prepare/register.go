package prepare

import (
	"cmp"
	"slices"

	"voxgrad/prepare/atlas"
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

// stage is a part of a registration, from coarse to fine.
type stage struct {
	level     int     // of the pyramid
	window    float64 // of the local normalisation, mm
	free      freedom
	keep      int // how many candidates go on to it
	steps     int
	tolerance float64 // mm
}

var (
	timeStages = []stage{
		{2, 24, rigid, 24, 12, 0.5},
		{1, 16, rigid, 4, 15, 0.1},
		{0, 10, rigid, 1, 20, 0.005},
	}
	atlasStages = []stage{
		{2, 24, rigid, 24, 12, 0.5},
		{2, 24, affine, 8, 12, 0.5},
		{1, 16, affine, 3, 20, 0.1},
		{0, 10, affine, 1, 20, 0.02},
	}
)

// Register finds the rigid motion between two scans of one head, wherever they lie: a search
// over large turns and shifts, then alignment from coarse to fine. What counts is inside the
// masks, on the grids of the scans; nil: the head is found.
func Register(a, b *volume.Volume, maskA, maskB *volume.Mask) (*Registered, error) {
	levels, err := pyramids(a, b, maskA, maskB)
	if err != nil {
		return nil, err
	}
	m, f := run(levels, timeStages, false, false)
	return &Registered{Half: halfway(m), Correlation: f.correlation, Overlap: f.overlap}, nil
}

// AtlasRegistered is where a scan is in the atlas.
type AtlasRegistered struct {
	ToScan      volume.Transform // from points of the atlas to points of the scan, affine
	Correlation float64          // as that of Registered
	Overlap     float64          // share of the atlas' brain (or head) that the scan shows, or the other way round, the smaller
}

// RegisterAtlas finds the affine transform between the atlas and a scan: of the atlas' brain
// where the brain's mask is given, on the grid of the scan, else of its whole head.
func RegisterAtlas(v *volume.Volume, brain *volume.Mask) (*AtlasRegistered, error) {
	target, counts := atlas.FLAIR(), volume.NewMask(atlas.Brain().Grid)
	for x, p := range atlas.Brain().Data {
		counts.Data[x] = p >= 0.5
	}
	if brain == nil {
		counts = nil
	}
	levels, err := pyramids(target, v, counts, brain)
	if err != nil {
		return nil, err
	}
	m, f := run(levels, atlasStages, true, brain != nil)
	return &AtlasRegistered{ToScan: m, Correlation: f.correlation, Overlap: f.overlap}, nil
}

// WhiteMatter is the likelihood of white matter at each voxel of a scan, from the atlas, registered to it; 0 outside the
// brain. The error is for a scan that does not clearly match the atlas (AtlasError), or whose brain cannot be registered.
func WhiteMatter(v *volume.Volume, brain *volume.Mask) (*volume.Volume, error) {
	r, err := RegisterAtlas(v, brain)
	if err != nil {
		return nil, err
	}
	if err := r.judge(v.Name(), true); err != nil {
		return nil, err
	}
	if doubt, err := r.doubt([]*volume.Volume{v}); err != nil || doubt != "" {
		return nil, cmp.Or(err, error(&AtlasError{doubt}))
	}
	return whiteMatter(brain, r.ToScan.Inverse()), nil
}

// whiteMatter is the atlas' likelihood of white matter in a brain, toAtlas leading from its space to that of the atlas.
func whiteMatter(brain *volume.Mask, toAtlas volume.Transform) *volume.Volume {
	out := volume.ResampleThrough(atlas.Likelihood(atlas.WhiteMatter), brain.Grid, toAtlas, volume.Linear, 0)
	out.Path, out.Source = "", nil
	for x, in := range brain.Data {
		if !in {
			out.Data[x] = 0
		}
	}
	return out
}

// pyramids are those of two scans, by level.
func pyramids(a, b *volume.Volume, maskA, maskB *volume.Mask) (levels [3][2]*level, err error) {
	for n, v := range []*volume.Volume{a, b} {
		s, err := newScan(v, []*volume.Mask{maskA, maskB}[n])
		if err != nil {
			return levels, err
		}
		p, err := s.pyramid()
		if err != nil {
			return levels, err
		}
		for k := range p {
			levels[k][n] = p[k]
		}
	}
	return levels, nil
}

// run is a registration from the search to the last stage: the motion from points of the first
// scan to points of the second. With fixed the first one stays where it is; brains must cover each other, which parts of
// two heads need not.
func run(levels [3][2]*level, stages []stage, fixed, brains bool) (volume.Transform, fit) {
	coarse := levels[2]
	list := distinct(search(coarse[0], coarse[1], brains), stages[0].keep, coarse[0].samples())
	var f fit
	var ready [2]*level
	for n, st := range stages {
		if n == 0 || stages[n-1].level != st.level {
			l := levels[st.level]
			ready = [2]*level{l[0].normalised(st.window), l[1].normalised(st.window)}
		}
		a := aligner{levels: ready, free: st.free, fixed: fixed}
		list = list[:min(len(list), st.keep)]
		for n, c := range list {
			p := pose{volume.Identity, c.motion}
			if !fixed {
				p = halfway(c.motion)
			}
			p, f = a.align(p, st.steps, st.tolerance)
			seen := min(1, f.overlap/leastSeen)
			if brains {
				seen = f.overlap
			}
			list[n] = candidate{p.between(), f.correlation * seen}
		}
		slices.SortStableFunc(list, func(x, y candidate) int { return cmp.Compare(y.score, x.score) })
	}
	return list[0].motion, f
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
