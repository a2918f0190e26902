package volume

import (
	"math"
	"slices"

	"voxgrad/internal/rng"
)

// body is a lesion in voxels: for each time point where it is present, which
// voxels it touches and which share of each is lesion. The mask is the voxels with
// at least half.
type body struct {
	PhantomLesion
	voxels [2][]int
	share  [2][]float64
}

// attempts is how many places are tried for one lesion.
const attempts = 60

// placeLesions puts lesions into white matter, none touching another at any time.
func placeLesions(o PhantomOptions, a *anatomy) []body {
	s := rng.New(o.Seed, "phantom", "lesions")
	var kinds []LesionKind
	add := func(kind LesionKind, r Range) {
		for range r.count(s) {
			kinds = append(kinds, kind)
		}
	}
	none := s.Bool(o.WithoutNew)
	if !none {
		add(NewLesion, o.New)
	}
	add(Grown, o.Grown)
	add(Shrunk, o.Shrunk)
	add(Vanished, o.Vanished)
	add(Unchanged, o.Unchanged)

	places := a.lesionPlaces()
	ragged := newLattice(1, o.Seed, "lesion borders")
	taken := make([]bool, a.grid.Len())
	var bodies []body
	for n, kind := range kinds {
		// A stream for each, so that one lesion's luck does not move the next.
		s := rng.New(o.Seed, "phantom", "lesion", n)
		for range attempts {
			if b, ok := a.tryLesion(o, s, ragged, kind, places, taken); ok {
				bodies = append(bodies, b)
				break
			}
		}
	}
	return bodies
}

// The regions of white matter where lesions arise, and how often.
const (
	periventricular = iota
	juxtacortical
	deepWhite
	regions
)

var regionShare = [regions]float64{0.45, 0.25, 0.3}

// lesionPlaces lists the voxels of each region.
func (a *anatomy) lesionPlaces() (places [regions][]int) {
	for x, m := range a.mask {
		if !m || a.cortex[x] < 0.3 || a.ventricle[x] < 0.5 || a.deep[x] > 0.3 {
			continue
		}
		if k := x / (a.grid.Size[0] * a.grid.Size[1]); float64(k) < 0.3*float64(a.grid.Size[2]) {
			continue // rare below the hemispheres
		}
		switch {
		case a.ventricle[x] < 5:
			places[periventricular] = append(places[periventricular], x)
		case a.cortex[x] < 2.2:
			places[juxtacortical] = append(places[juxtacortical], x)
		default:
			places[deepWhite] = append(places[deepWhite], x)
		}
	}
	return places
}

func logUniformish(s *rng.Stream, r Range) float64 {
	middle := (math.Log(r.Min) + math.Log(r.Max)) / 2
	sd := (math.Log(r.Max) - math.Log(r.Min)) / 4.5
	return min(max(math.Exp(middle+sd*s.Normal()), r.Min), r.Max)
}

// tryLesion draws a lesion and a place; not ok if it does not fit there.
func (a *anatomy) tryLesion(o PhantomOptions, s *rng.Stream, ragged *lattice, kind LesionKind, places [regions][]int, taken []bool) (b body, ok bool) {
	region, u := 0, s.Float64()
	for u > regionShare[region] && region < regions-1 {
		u -= regionShare[region]
		region++
	}
	mm3 := logUniformish(s, o.LesionMM3)
	contrast := logUniformish(s, o.LesionContrast)
	var axes [3]float64
	product := 1.0
	for d := range axes {
		axes[d] = math.Exp(0.25 * s.Normal())
		if region == periventricular && d == 0 {
			axes[d] *= 1.3 // along the veins, away from the ventricles
		}
		product *= axes[d]
	}
	change := s.Uniform(0.3, 0.65) // volume before growing, after shrinking
	drift := [2]float64{1, s.Uniform(0.85, 1.15)}
	if len(places[region]) == 0 {
		return b, false
	}
	centre := places[region][s.Intn(len(places[region]))]

	b.Kind = kind
	factor := [2]float64{1, 1}
	switch kind {
	case NewLesion:
		factor[0] = 0
	case Vanished:
		factor[1] = 0
	case Grown:
		factor[0] = change
	case Shrunk:
		factor[1] = change
	}
	// Both time points cut the same noise, so that a growing lesion stays itself.
	edge := border{lattice: ragged, cell: 0.8*math.Cbrt(3*mm3/(4*math.Pi)) + 0.6}
	for d := range edge.shift {
		edge.shift[d] = s.Uniform(0, latticeSize)
	}
	for t := range 2 {
		if factor[t] == 0 {
			continue
		}
		r := math.Cbrt(3*mm3*factor[t]/(4*math.Pi)) / math.Cbrt(product)
		b.voxels[t], b.share[t] = a.blob(centre, [3]float64{axes[0] * r, axes[1] * r, axes[2] * r}, edge)
		b.Contrast[t] = contrast * drift[t]
	}
	return b, a.accept(o, &b, taken)
}

// border is the noise of one lesion's border: a lattice of unit cells, here cell mm
// wide.
type border struct {
	*lattice
	cell  float64
	shift [3]float64
}

func (b border) at(p [3]float64) float64 {
	for d := range p {
		p[d] = p[d]/b.cell + b.shift[d]
	}
	return b.lattice.at(p)
}

// blob is an ellipsoid with a ragged border: voxels and the share of lesion in
// each. Its mask is one piece.
func (a *anatomy) blob(centre int, axes [3]float64, ragged border) (voxels []int, share []float64) {
	size := a.grid.Size
	at := [3]int{centre % size[0], centre / size[0] % size[1], centre / size[0] / size[1]}
	var lo, hi, box [3]int
	for d := range 3 {
		reach := int(math.Ceil(1.8*axes[d]/a.spacing[d])) + 1
		lo[d], hi[d] = max(at[d]-reach, 0), min(at[d]+reach+1, size[d])
		box[d] = hi[d] - lo[d]
	}
	mean := (axes[0] + axes[1] + axes[2]) / 3
	var core []bool
	for k := lo[2]; k < hi[2]; k++ {
		for j := lo[1]; j < hi[1]; j++ {
			for i := lo[0]; i < hi[0]; i++ {
				x := a.grid.Index(i, j, k)
				p := [3]float64{float64(i) * a.spacing[0], float64(j) * a.spacing[1], float64(k) * a.spacing[2]}
				q := 0.0
				for d, n := range [3]int{i, j, k} {
					q += square(float64(n-at[d]) * a.spacing[d] / axes[d])
				}
				// mm inside the ragged border, softened over about 1.5 mm
				inside := (1 - math.Sqrt(q) + 0.4*ragged.at(p)) * mean
				m := saturate(inside/1.5 + 0.5)
				m *= saturate(float64(a.ventricle[x])+0.2) * saturate(float64(a.cortex[x])+0.7)
				if !a.mask[x] {
					m = 0
				}
				core = append(core, m >= 0.5)
				voxels = append(voxels, x)
				share = append(share, m)
			}
		}
	}
	labels, _, _ := Components(core, box, 6) // the box has a voxel: no error
	keptVoxels, keptShare := voxels[:0], share[:0]
	for n, l := range labels {
		if share[n] == 0 {
			continue
		}
		m := share[n]
		if l != 1 {
			m = min(m, 0.45) // a fragment, or the faint rim
		}
		keptVoxels, keptShare = append(keptVoxels, voxels[n]), append(keptShare, m)
	}
	return keptVoxels, keptShare
}

// accept measures a lesion and marks its place as taken, if it is large enough at
// each time point and touches no other lesion.
func (a *anatomy) accept(o PhantomOptions, b *body, taken []bool) bool {
	unit := a.spacing[0] * a.spacing[1] * a.spacing[2]
	size := a.grid.Size
	var all []int
	for t := range 2 {
		var sum [3]float64
		for n, x := range b.voxels[t] {
			if b.share[t][n] < 0.5 {
				continue
			}
			all = append(all, x)
			b.Voxels[t]++
			for d, i := range [3]int{x % size[0], x / size[0] % size[1], x / size[0] / size[1]} {
				sum[d] += float64(i)
			}
		}
		b.MM3[t] = float64(b.Voxels[t]) * unit
		absent := b.Contrast[t] == 0
		if !absent && (b.MM3[t] <= 3 || b.MM3[t] < 0.7*o.LesionMM3.Min || b.MM3[t] > 1.5*o.LesionMM3.Max) {
			return false
		}
		if b.Voxels[t] > 0 && (t == 0 || b.Voxels[1] > b.Voxels[0]) {
			for d := range sum {
				b.Centroid[d] = sum[d] / float64(b.Voxels[t])
			}
		}
	}
	switch b.Kind {
	case Grown:
		if b.Voxels[1] <= b.Voxels[0] {
			return false
		}
	case Shrunk:
		if b.Voxels[0] <= b.Voxels[1] {
			return false
		}
	}
	if slices.ContainsFunc(all, func(x int) bool { return a.near(x, taken) }) {
		return false
	}
	for _, x := range all {
		taken[x] = true
	}
	return true
}

// near tells whether x or one of its 26 neighbours is taken.
func (a *anatomy) near(x int, taken []bool) bool {
	size := a.grid.Size
	i, j, k := x%size[0], x/size[0]%size[1], x/size[0]/size[1]
	for c := max(k-1, 0); c < min(k+2, size[2]); c++ {
		for b := max(j-1, 0); b < min(j+2, size[1]); b++ {
			for d := max(i-1, 0); d < min(i+2, size[0]); d++ {
				if taken[a.grid.Index(d, b, c)] {
					return true
				}
			}
		}
	}
	return false
}
