package dataset

import (
	"math"

	"voxgrad/volume"
)

// Bits of Item.Labels.
const (
	Brain  uint8 = 1 << iota // inside the brain mask
	Lesion                   // in the lesion mask (and the brain)
)

// Item is a loaded case: images on the canonical grid, normalised, zero outside
// the brain, and cropped to the brain's bounding box (outside it there is only
// background, which patches get by padding).
type Item struct {
	Case   Case
	Images []*volume.Volume // one per time point, all on one grid
	Labels []uint8          // Brain and Lesion bits, at Images[0].Index(i,j,k)

	// Likelihood is how likely a lesion is put at each voxel, as Labels; nil if the
	// loader has no maps of that.
	Likelihood []float32

	lesions [][]int32 // voxels of each lesion, in raster order
	centres [][3]int  // rounded centroid of each lesion
	slices  []int     // brain voxels before slice k, one more entry for the total
}

// NewItem indexes the brain and the lesions. The labels must have one entry per
// voxel; lesions are connected through faces, edges and corners (26 neighbours).
func NewItem(c Case, images []*volume.Volume, labels []uint8) *Item {
	it := &Item{Case: c, Images: images, Labels: labels}
	g := images[0].Grid
	it.slices = make([]int, g.Size[2]+1)
	plane := g.Size[0] * g.Size[1]
	for k := range g.Size[2] {
		n := 0
		for _, l := range labels[k*plane : (k+1)*plane] {
			n += int(l & Brain)
		}
		it.slices[k+1] = it.slices[k] + n
	}
	it.indexLesions()
	return it
}

// Grid is the grid of the images and labels.
func (it *Item) Grid() volume.Grid { return it.Images[0].Grid }

// Lesions is the number of lesions.
func (it *Item) Lesions() int { return len(it.lesions) }

// LesionCentre is the rounded centroid of lesion n.
func (it *Item) LesionCentre(n int) [3]int { return it.centres[n] }

// LesionVoxels is the number of voxels of lesion n.
func (it *Item) LesionVoxels(n int) int { return len(it.lesions[n]) }

// LesionVoxel is the m-th voxel of lesion n in raster order.
func (it *Item) LesionVoxel(n, m int) [3]int { return it.position(it.lesions[n][m]) }

// HasLesionIn reports whether any lesion voxel is in the box that starts at a
// voxel, which may be outside the grid.
func (it *Item) HasLesionIn(start, size [3]int) bool {
	for n := range it.lesions {
		for _, i := range it.lesions[n] {
			p := it.position(i)
			inside := true
			for a := range p {
				inside = inside && p[a] >= start[a] && p[a] < start[a]+size[a]
			}
			if inside {
				return true
			}
		}
	}
	return false
}

// BrainVoxels is the number of voxels in the brain.
func (it *Item) BrainVoxels() int { return it.slices[len(it.slices)-1] }

// BrainVoxel is the n-th brain voxel in raster order.
func (it *Item) BrainVoxel(n int) [3]int {
	g := it.Grid()
	k := 0
	for it.slices[k+1] <= n {
		k++
	}
	n -= it.slices[k]
	plane := g.Size[0] * g.Size[1]
	for i, l := range it.Labels[k*plane : (k+1)*plane] {
		if l&Brain != 0 {
			if n == 0 {
				return [3]int{i % g.Size[0], i / g.Size[0], k}
			}
			n--
		}
	}
	panic("dataset: brain voxel out of range")
}

// Bytes is about what the item keeps in memory.
func (it *Item) Bytes() int64 {
	n := int64(len(it.Labels)) + 4*int64(len(it.Likelihood))
	for _, im := range it.Images {
		n += 4 * int64(len(im.Data))
	}
	for _, l := range it.lesions {
		n += 4 * int64(len(l))
	}
	return n
}

func (it *Item) position(i int32) [3]int {
	g := it.Grid()
	n := int(i)
	return [3]int{n % g.Size[0], n / g.Size[0] % g.Size[1], n / g.Size[0] / g.Size[1]}
}

// indexLesions lists the voxels of each lesion, largest lesion first.
func (it *Item) indexLesions() {
	mask := make([]bool, len(it.Labels))
	for i, l := range it.Labels {
		mask[i] = l&Lesion != 0
	}
	labels, comps, err := volume.Components(mask, it.Grid().Size, 26)
	if err != nil {
		panic("dataset: labels do not fit their grid: " + err.Error())
	}
	it.lesions = make([][]int32, len(comps))
	for n, c := range comps {
		it.lesions[n] = make([]int32, 0, c.Voxels)
		var centre [3]int
		for a, x := range c.Centroid {
			centre[a] = int(math.Floor(x + 0.5))
		}
		it.centres = append(it.centres, centre)
	}
	for i, l := range labels {
		if l > 0 {
			it.lesions[l-1] = append(it.lesions[l-1], int32(i))
		}
	}
}
