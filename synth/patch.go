package synth

import (
	"fmt"
	"math"

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

	// Case names the image: its own lesions lend no shapes to it.
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
