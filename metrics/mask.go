package metrics

import (
	"fmt"
	"math"

	"voxgrad/volume"
)

// labelled is a mask as the measures see it: the distinct values of the file in
// ascending order became 0, 1, 2, …, so that 0 is the background.
type labelled struct {
	size   [3]int
	labels []uint16
	values int // distinct values, the background included; 1: nothing is marked
}

func (m *labelled) empty() bool { return m.values == 1 }

// readLabels truncates v's values towards zero to unsigned 16-bit integers and
// renumbers them. The smallest value present becomes 0, whatever it is: a mask
// that is 1 everywhere is an empty one.
func readLabels(v *volume.Volume) (*labelled, error) {
	for _, n := range v.Size {
		if n < 1 {
			return nil, fmt.Errorf("%s: its size %d×%d×%d has no voxels", v.Name(), v.Size[0], v.Size[1], v.Size[2])
		}
	}
	if len(v.Data) != v.Len() {
		return nil, fmt.Errorf("%s: %d voxels of data for a size of %d×%d×%d", v.Name(), len(v.Data), v.Size[0], v.Size[1], v.Size[2])
	}
	if len(v.Data) > math.MaxInt32 {
		return nil, fmt.Errorf("%s: %d voxels; masks of more than %d cannot be evaluated", v.Name(), len(v.Data), math.MaxInt32)
	}
	labels := make([]uint16, len(v.Data))
	seen := make([]bool, 1<<16)
	for x, f := range v.Data {
		if !(f >= 0 && f <= math.MaxUint16) { // NaN fails, too
			i, j, k := place(x, v.Size)
			return nil, fmt.Errorf("%s: voxel (%d, %d, %d) is %v; a mask holds numbers from 0 to 65535, lesions above 0: threshold the image first",
				v.Name(), i, j, k, f)
		}
		l := uint16(f)
		labels[x] = l
		seen[l] = true
	}
	m := &labelled{size: v.Size, labels: labels}
	renumber := make([]uint16, len(seen))
	top := 0
	for value, s := range seen {
		if s {
			renumber[value] = uint16(m.values)
			m.values++
			top = value
		}
	}
	if top != m.values-1 { // some number is skipped
		for x, l := range labels {
			labels[x] = renumber[l]
		}
	}
	return m, nil
}

// binarise makes every label 1.
func (m *labelled) binarise() {
	for x, l := range m.labels {
		if l > 1 {
			m.labels[x] = 1
		}
	}
	m.values = min(m.values, 2)
}

// Foreground is true where Evaluate takes v for marked: where the value, truncated
// towards zero, is not the smallest one in the mask. Errors are those of Evaluate.
func Foreground(v *volume.Volume) ([]bool, error) {
	m, err := readLabels(v)
	if err != nil {
		return nil, err
	}
	return m.foreground(), nil
}

// foreground is true where something is marked.
func (m *labelled) foreground() []bool {
	out := make([]bool, len(m.labels))
	for x, l := range m.labels {
		out[x] = l != 0
	}
	return out
}

// place is the voxel at a raster offset.
func place(x int, size [3]int) (i, j, k int) {
	return x % size[0], x / size[0] % size[1], x / (size[0] * size[1])
}
