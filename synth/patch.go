package synth

import (
	"fmt"
	"math"
	"sort"

	"voxgrad/augment"
	"voxgrad/volume"
)

// Patch is what a plan is made for: the masks of one image, a training patch or
// a whole scan on the 1 mm grid, as it will lie on the device (flipped and rotated
// already).
type Patch struct {
	Size    [3]int // D, H, W
	Brain   []bool
	Lesions []bool // voxels outside the brain do not count

	// Likelihood is how likely a generated lesion is centred at a voxel, up to a
	// factor, at least 0: white-matter likelihood times lesion prior. Nil: every
	// voxel of the brain, eroded by Options.ErodeMM, is as likely as another.
	Likelihood []float32

	// Case names the image: none of its own lesions has its shape taken for it.
	Case string

	// Affine puts voxel positions (d, h, w) into millimetres of the world. Nil
	// where they have no place there; the record then has none.
	Affine *volume.Affine
}

func (p Patch) voxels() int { return p.Size[0] * p.Size[1] * p.Size[2] }

// check refuses arrays of a wrong length and impossible likelihoods.
func (p Patch) check() error {
	n := p.voxels()
	if n < 1 || len(p.Brain) != n || len(p.Lesions) != n || p.Likelihood != nil && len(p.Likelihood) != n {
		return fmt.Errorf("synth: a patch of %v voxels with %d of brain mask, %d of lesion mask, %d of likelihood",
			p.Size, len(p.Brain), len(p.Lesions), len(p.Likelihood))
	}
	for i, l := range p.Likelihood {
		if !(l >= 0) || math.IsInf(float64(l), 1) {
			return fmt.Errorf("the map of likely places has the value %g at voxel %v; it must be finite and at least 0", l, p.at(i))
		}
	}
	return nil
}

// at is the position (d, h, w) of an index.
func (p Patch) at(i int) [3]int { return unindex(i, p.Size) }

func unindex(i int, size [3]int) [3]int {
	return [3]int{i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]}
}

func index(at, size [3]int) int { return (at[0]*size[1]+at[1])*size[2] + at[2] }

func inside(at, size [3]int) bool {
	return at[0] >= 0 && at[1] >= 0 && at[2] >= 0 && at[0] < size[0] && at[1] < size[1] && at[2] < size[2]
}

// lesions are the components of the lesion mask inside the brain, the largest
// first, as lists of indices in ascending order.
func (p Patch) lesions() [][]int32 {
	mask := make([]bool, len(p.Lesions))
	for i, l := range p.Lesions {
		mask[i] = l && p.Brain[i]
	}
	return components(mask, p.Size)
}

// components lists the voxels of each component of a mask (26 neighbours).
func components(mask []bool, size [3]int) [][]int32 {
	// Package volume counts the first axis fastest.
	labels, comps, err := volume.Components(mask, [3]int{size[2], size[1], size[0]}, 26)
	if err != nil {
		panic("synth: " + err.Error())
	}
	out := make([][]int32, len(comps))
	for n, c := range comps {
		out[n] = make([]int32, 0, c.Voxels)
	}
	for i, l := range labels {
		if l > 0 {
			out[l-1] = append(out[l-1], int32(i))
		}
	}
	return out
}

// grow calls f with every index within n voxels (along each axis) of the list's,
// some of them more than once.
func grow(list []int32, size [3]int, n int, f func(i int)) {
	for _, v := range list {
		at := unindex(int(v), size)
		for d := max(0, at[0]-n); d <= min(size[0]-1, at[0]+n); d++ {
			for h := max(0, at[1]-n); h <= min(size[1]-1, at[1]+n); h++ {
				row := (d*size[1] + h) * size[2]
				for w := max(0, at[2]-n); w <= min(size[2]-1, at[2]+n); w++ {
					f(row + w)
				}
			}
		}
	}
}

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

// erodeBrain is the brain without its outer mm millimetres. What is outside the
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
func (p places) draw(s *augment.Stream) int {
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
func (b *board) try(s *augment.Stream, shape Shape, where places, tries int) []int32 {
	for range tries {
		if list := b.put(shape, unindex(where.draw(s), b.size)); list != nil {
			return list
		}
	}
	return nil
}

// InpainterRegion draws the voxels that the inpainter is trained to restore in a
// patch without lesions: shapes of other cases' lesions, placed at random in the
// brain without touching each other, dilated as for a removal. ok is false where
// no shape found a place. From s come the number of regions, then for each its
// shape, orientation and place.
func (o Options) InpainterRegion(s *augment.Stream, p Patch, lib *Library) (region []bool, ok bool, err error) {
	if err := o.Check(); err != nil {
		return nil, false, err
	}
	if err := p.check(); err != nil {
		return nil, false, err
	}
	p.Likelihood = nil
	where, err := p.places(0)
	if err != nil || len(where.at) == 0 {
		return nil, false, err
	}
	b := p.board()
	region = make([]bool, p.voxels())
	for range o.RegionsMin + s.Intn(o.RegionsMax-o.RegionsMin+1) {
		shape, found := lib.Draw(s, p.Case, o.TurnShape)
		if !found {
			break
		}
		list := b.try(s, shape, where, o.Tries)
		if list == nil {
			continue
		}
		b.block(list)
		grow(list, p.Size, o.Dilate, func(i int) {
			if p.Brain[i] {
				region[i], ok = true, true
			}
		})
	}
	return region, ok, nil
}

// Base is the mask of the voxels whose mean and standard deviation noise has: the
// brain without lesions.
func Base(brain, lesions []bool) []bool {
	out := make([]bool, len(brain))
	for i, b := range brain {
		out[i] = b && !lesions[i]
	}
	return out
}
