package synth

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"voxgrad/volume"
)

// Scan is a whole image to make pairs of: as it was given, and as the networks
// want it, on its canonical 1 mm grid (volume.Iso of the input's grid),
// normalised, 0 outside the brain.
type Scan struct {
	Input        *volume.Volume // as given
	InputBrain   *volume.Mask   // on its grid
	InputLesions *volume.Mask

	Image      *volume.Volume // canonical
	Brain      *volume.Mask   // on its grid
	Lesions    *volume.Mask
	Likelihood []float32 // on its grid, see Patch; may be nil

	Scale float64 // intensities of Input are those of Image times Scale
	Case  string
}

// Patch is the scan as a patch, in the network's order.
func (s *Scan) Patch() Patch {
	size, affine := s.Image.Size, s.Image.Affine
	p := Patch{Size: size, Case: s.Case, Affine: &affine, Brain: toNetwork(s.Brain.Data, size), Lesions: toNetwork(s.Lesions.Data, size)}
	if s.Likelihood != nil {
		p.Likelihood = toNetwork(s.Likelihood, size)
	}
	return p
}

// Values are the intensities of Image in the network's order.
func (s *Scan) Values() []float32 { return toNetwork(s.Image.Data, s.Image.Size) }

// toNetwork is a whole volume in the network's order; fromNetwork undoes it.
func toNetwork[T any](src []T, size [3]int) []T {
	out := make([]T, len(src))
	volume.ToNetwork(out, src, size, [3]int{}, size)
	return out
}

func fromNetwork[T any](src []T, size [3]int) []T {
	out := make([]T, len(src))
	volume.FromNetwork(out, src, size, [3]int{}, size)
	return out
}

// canonical is a mask in the network's order as one on the canonical grid.
func (s *Scan) canonical(mask []bool) *volume.Mask {
	return &volume.Mask{Grid: s.Image.Grid, Data: fromNetwork(mask, s.Image.Size)}
}

// leastInside is the share of a map's sum that must lie in the brain: less, and the
// two are not in one space. A coarse check: a few centimetres escape it.
const leastInside = 0.8

// Likely is the map of likely places on the brain's grid: the product of maps that lie in
// the same space, on grids of their own, interpolated linearly and 0 beyond their
// edges. Each must be finite, at least 0 and have at least four fifths of its sum inside
// the brain; a map in quite another space has not. Without maps it is nil.
func Likely(brain *volume.Mask, maps ...*volume.Volume) ([]float32, error) {
	var out []float32
	for _, m := range maps {
		if err := checkMap(m, brain); err != nil {
			return nil, err
		}
		on := volume.Resample(m, brain.Grid, volume.Linear, 0)
		if out == nil {
			out = on.Data
			continue
		}
		for i, v := range on.Data {
			out[i] *= v
		}
	}
	if out == nil {
		return nil, nil
	}
	for i, v := range out {
		if v > 0 && brain.Data[i] {
			return out, nil
		}
	}
	return nil, errors.New("the maps of likely places exclude each other everywhere in the brain")
}

// checkMap refuses a map with impossible values or in another space.
func checkMap(m *volume.Volume, brain *volume.Mask) error {
	in := volume.Resample(brain.Volume(), m.Grid, volume.Nearest, 0)
	total, inBrain, overlap := 0.0, 0.0, false
	for i, v := range m.Data {
		if !(v >= 0) || math.IsInf(float64(v), 1) {
			return fmt.Errorf("%s: the value %g; a map of likely places must be finite and at least 0", m.Name(), v)
		}
		total += float64(v)
		if in.Data[i] > 0 {
			overlap = true
			inBrain += float64(v)
		}
	}
	switch {
	case total == 0:
		return fmt.Errorf("%s is zero everywhere", m.Name())
	case !overlap:
		return fmt.Errorf("%s does not overlap with the brain: it lies in another space; register it to the scan first", m.Name())
	case inBrain < leastInside*total:
		return fmt.Errorf("only %.0f %% of %s lies inside the brain: it seems to lie in another space; register it to the scan first", 100*inBrain/total, m.Name())
	}
	return nil
}

// Pair is a synthetic pair on the grid of the scan it was made of.
type Pair struct {
	Images     [2]*volume.Volume
	Lesions    [2]*volume.Mask // all lesions of each time point
	NewLesions *volume.Mask    // those at time 2 and not at time 1
	Filled     [2][]bool       // voxels that are not the source's
	kind       volume.DType    // of the images when they are written
	Record     Record          // sizes and places as in the masks above, not on the 1 mm grid
}

// Back brings a plan that was carried out to the grid of the input. images are the two
// time points in the network's order, normalised.
//
// A voxel is filled where at least half of it is, by linear interpolation of the
// mask, or where it belongs to a lesion that was removed or generated; it gets the
// interpolated intensity of the brain around it, times Scale. All other voxels are
// the input's, unless everywhere says that this image was changed everywhere: then
// all of them come from it. Lesions of the input keep their very voxels. One that has
// none on the 1 mm grid stays at both time points; one that was generated and has
// none on the input's grid is dropped, with a note in the record.
func (s *Scan) Back(pl *Plan, images [2][]float32, everywhere [2]bool) *Pair {
	labels, lesions := s.label(pl)
	rec := Record{Lesions: []Lesion{}, Dropped: slices.Clone(pl.Record.Dropped)}
	pair := &Pair{NewLesions: newMask(s.Input), kind: imageType(s.Input, everywhere)}
	for t := range 2 {
		pair.Images[t], pair.Lesions[t] = s.Input.Like(), newMask(s.Input)
		present := make([]bool, len(lesions)+1)
		for n, l := range lesions {
			present[n+1] = [2]bool{l.Time1, l.Time2}[t]
		}
		pair.Filled[t] = s.filled(pl, t, labels, lesions, present)
		s.fill(pair, t, fromNetwork(images[t], pl.Size), everywhere[t])
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

// filled is the mask of the voxels of a time point that change.
func (s *Scan) filled(pl *Plan, t int, labels []int32, lesions []Lesion, present []bool) []bool {
	on := s.canonical(pl.Filled(t)).Resample(s.Input.Grid)
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

// fill makes the image of a time point from what the networks made of it.
func (s *Scan) fill(pair *Pair, t int, values []float32, everywhere bool) {
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
		if pair.Filled[t][i] && weight.Data[i] > 0 {
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

// label reports which of the plan's lesions each voxel of the input belongs to (0:
// none; n: the n-th), and returns the lesions with those that the 1 mm grid lost
// added.
func (s *Scan) label(pl *Plan) (labels []int32, lesions []Lesion) {
	lesions = append(lesions, pl.Record.Lesions...)
	fine := make([]int32, len(pl.base)) // on the 1 mm grid, in the network's order
	for n, list := range pl.lesions {
		for _, i := range list {
			fine[i] = int32(n + 1)
		}
	}
	labels = s.labelReal(fine, pl)
	spread(labels, s.realVoxel, s.Input.Size)
	lesions = append(lesions, s.labelLost(labels, len(lesions))...)
	s.labelGenerated(labels, pl)
	return labels, lesions
}

func (s *Scan) realVoxel(i int) bool { return s.InputLesions.Data[i] && s.InputBrain.Data[i] }

// reach is how far, in voxels of 1 mm, a lesion's voxel may lie from its own image
// on the 1 mm grid.
const reach = 2

// labelReal labels voxels of the input's lesions by that of the nearest real
// lesion on the 1 mm grid within reach.
func (s *Scan) labelReal(fine []int32, pl *Plan) []int32 {
	labels := make([]int32, len(s.InputLesions.Data))
	g := s.Input.Grid
	for i := range labels {
		if !s.realVoxel(i) {
			continue
		}
		c := s.Image.Voxel(g.World(float64(i%g.Size[0]), float64(i/g.Size[0]%g.Size[1]), float64(i/g.Size[0]/g.Size[1])))
		var at [3]int
		for a := range at {
			at[a] = int(math.Floor(c[a] + 0.5))
		}
		best := math.Inf(1)
		for d := at[0] - reach; d <= at[0]+reach; d++ {
			for h := at[1] - reach; h <= at[1]+reach; h++ {
				for w := at[2] - reach; w <= at[2]+reach; w++ {
					v := [3]int{d, h, w}
					if !inside(v, pl.Size) {
						continue
					}
					l := fine[index(v, pl.Size)]
					if l == 0 || pl.Record.Lesions[l-1].Origin != Real {
						continue
					}
					r := sq(float64(d)-c[0]) + sq(float64(h)-c[1]) + sq(float64(w)-c[2])
					if r < best {
						best, labels[i] = r, l
					}
				}
			}
		}
	}
	return labels
}

func sq(x float64) float64 { return x * x }

// spread hands labels on to unlabelled neighbours of which in is true, until
// nothing changes: a voxel takes the smallest label around it, one step at a time.
func spread(labels []int32, in func(i int) bool, size [3]int) {
	network := [3]int{size[2], size[1], size[0]} // the volume's order, seen as the network's
	for changed := true; changed; {
		changed = false
		next := map[int]int32{}
		for i, l := range labels {
			if l != 0 || !in(i) {
				continue
			}
			least := int32(0)
			grow([]int32{int32(i)}, network, 1, func(j int) {
				if o := labels[j]; o != 0 && (least == 0 || o < least) {
					least = o
				}
			})
			if least != 0 {
				next[i], changed = least, true
			}
		}
		for i, l := range next {
			labels[i] = l
		}
	}
}

// labelLost makes lesions of the voxels that still have no label: too small for
// the 1 mm grid, they stay at both time points.
func (s *Scan) labelLost(labels []int32, known int) (lost []Lesion) {
	mask := make([]bool, len(labels))
	any := false
	for i, l := range labels {
		mask[i] = l == 0 && s.realVoxel(i)
		any = any || mask[i]
	}
	if !any {
		return nil
	}
	g := s.Input.Size
	for n, list := range components(mask, [3]int{g[2], g[1], g[0]}) {
		for _, i := range list {
			labels[i] = int32(known + n + 1)
		}
		lost = append(lost, Lesion{Origin: Real, Time1: true, Time2: true})
	}
	return lost
}

// labelGenerated adds the lesions that were put in: voxels of the brain half
// inside, by linear interpolation of the mask, that no lesion has.
func (s *Scan) labelGenerated(labels []int32, pl *Plan) {
	for n, l := range pl.Record.Lesions {
		if l.Origin != Generated {
			continue
		}
		mask := make([]bool, len(pl.base))
		for _, i := range pl.lesions[n] {
			mask[i] = true
		}
		for i, in := range s.canonical(mask).Resample(s.Input.Grid).Data {
			if in && labels[i] == 0 && s.InputBrain.Data[i] {
				labels[i] = int32(n + 1)
			}
		}
	}
}
