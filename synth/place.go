package synth

import (
	"sort"

	"voxgrad/internal/rng"
	"voxgrad/volume"
)

// places are the voxels where the centre of a shape may lie, with their weights
// added up.
type places struct {
	at  []int32
	sum []float64
}

// places lists them, in raster order. Only voxels of the brain count.
func (p Patch) places(erode float64) (places, error) {
	likelihood := p.Likelihood
	var deep []bool
	if likelihood == nil {
		var err error
		if deep, err = erodeBrain(p.Brain, p.Size, erode); err != nil {
			return places{}, err
		}
	}
	var out places
	total := 0.0
	for i, brain := range p.Brain {
		w := 1.0
		if likelihood != nil {
			w = float64(likelihood[i])
		}
		if !brain || w == 0 || deep != nil && !deep[i] {
			continue
		}
		total += w
		out.at = append(out.at, int32(i))
		out.sum = append(out.sum, total)
	}
	return out, nil
}

// erodeBrain is the brain without its outer mm millimetres. What lies outside the
// patch counts as brain: the patch's faces are not the brain's surface.
func erodeBrain(brain []bool, size [3]int, mm float64) ([]bool, error) {
	if mm == 0 {
		return brain, nil
	}
	outside := make([]bool, len(brain))
	for i, b := range brain {
		outside[i] = !b
	}
	distance, err := volume.Distance(outside, [3]int{size[2], size[1], size[0]}, volume.Voxels)
	if err != nil {
		return nil, err
	}
	deep := make([]bool, len(brain))
	for i, d := range distance {
		deep[i] = float64(d) > mm
	}
	return deep, nil
}

// draw is a voxel, with a probability in proportion to its weight.
func (p places) draw(s *rng.Stream) int {
	u := s.Float64() * p.sum[len(p.sum)-1]
	n := sort.Search(len(p.sum), func(i int) bool { return p.sum[i] > u })
	return int(p.at[min(n, len(p.at)-1)]) // u may be rounded up to the total
}

// board keeps what is taken: voxels outside the brain, and lesions with all their
// neighbours.
type board struct {
	size  [3]int
	taken []bool
}

func (p Patch) board() *board {
	b := &board{size: p.Size, taken: make([]bool, p.voxels())}
	for i, brain := range p.Brain {
		b.taken[i] = !brain
	}
	return b
}

// block keeps other lesions from touching this one.
func (b *board) block(list []int32) {
	grow(list, b.size, 1, func(i int) { b.taken[i] = true })
}

// put is the shape around a centre as a list of indices in ascending order; nil
// where it does not fit.
func (b *board) put(shape Shape, centre [3]int) []int32 {
	list := make([]int32, 0, len(shape.Voxels))
	for _, v := range shape.Voxels {
		for a := range v {
			v[a] += centre[a] - shape.Size[a]/2
		}
		if !inside(v, b.size) {
			return nil
		}
		i := index(v, b.size)
		if b.taken[i] {
			return nil
		}
		list = append(list, int32(i))
	}
	sortIndices(list)
	return list
}

// try looks for a place up to tries times; nil if there was none.
func (b *board) try(s *rng.Stream, shape Shape, where places, tries int) []int32 {
	for range tries {
		if list := b.put(shape, unindex(where.draw(s), b.size)); list != nil {
			return list
		}
	}
	return nil
}
