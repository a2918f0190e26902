package metrics

import (
	"fmt"
	"math"

	"voxgrad/volume"
)

// labelled is a mask as the measures see it: the distinct values of the file in
// ascending order became 0, 1, 2, …, so that 0 is the background.
type labelled struct {
	image  *volume.Volume // its grid, header and name; no voxels are read from it
	size   [3]int
	labels []uint16
	values int // distinct values, the background included; 1: nothing is marked
}

func (m *labelled) empty() bool { return m.values == 1 }

// readLabels truncates v's values towards zero to unsigned 16-bit integers and
// renumbers them. The smallest value present becomes 0, whatever it is: a mask
// that is 1 everywhere is an empty one.
func readLabels(v *volume.Volume) (*labelled, error) {
	if err := checkVoxels(v, len(v.Data)); err != nil {
		return nil, err
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
	m := &labelled{image: v, size: v.Size, labels: labels}
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

// labelMask is a mask with one label.
func labelMask(m *volume.Mask) (*labelled, error) {
	out := &labelled{image: header(m), size: m.Size, values: 1}
	if err := checkVoxels(out.image, len(m.Data)); err != nil {
		return nil, err
	}
	out.labels = make([]uint16, len(m.Data))
	marked := m.Count()
	if marked == 0 || marked == len(m.Data) {
		return out, nil
	}
	out.values = 2
	for x, in := range m.Data {
		if in {
			out.labels[x] = 1
		}
	}
	return out, nil
}

// header is a mask's grid, header and name.
func header(m *volume.Mask) *volume.Volume {
	return &volume.Volume{Grid: m.Grid, Path: m.Path, Source: m.Source}
}

// checkVoxels refuses an image whose size cannot be measured.
func checkVoxels(v *volume.Volume, voxels int) error {
	for _, n := range v.Size {
		if n < 1 {
			return fmt.Errorf("%s: its size %d×%d×%d has no voxels", v.Name(), v.Size[0], v.Size[1], v.Size[2])
		}
	}
	if voxels != v.Len() {
		return fmt.Errorf("%s: %d voxels of data for a size of %d×%d×%d", v.Name(), voxels, v.Size[0], v.Size[1], v.Size[2])
	}
	if voxels > math.MaxInt32 {
		return fmt.Errorf("%s: %d voxels; masks of more than %d cannot be evaluated", v.Name(), voxels, math.MaxInt32)
	}
	return nil
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

// Foreground is true where EvaluateLabels takes v for marked: where the value, truncated
// towards zero, is not the smallest one in the mask. Errors are those of EvaluateLabels.
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

// sameOrder is pred, a mask or an image, in the order of truth's voxels. Where its
// axes are stored another way on the same grid, that is the same voxels moved; the error is for
// masks on different grids and names both files and everything that differs: shape,
// axes, spacing in mm, rotation in degrees, place in mm.
func sameOrder[T *volume.Volume | *volume.Mask](truth, pred T) (T, error) {
	t, p := headerOf(truth), headerOf(pred)
	different := volume.SpaceDifference(t, p)
	if different == "" {
		return pred, nil
	}
	v, isImage := any(pred).(*volume.Volume)
	if !isImage {
		v = any(pred).(*volume.Mask).Volume()
	}
	v, ok := volume.Reorder(v, t.Grid)
	switch {
	case !ok:
		return nil, fmt.Errorf("truth %s and prediction %s lie on different grids: %s; resample the prediction to the truth's grid", t.Name(), p.Name(), different)
	case isImage:
		return any(v).(T), nil
	}
	return any(v.Above(volume.Threshold)).(T), nil
}

func headerOf(v any) *volume.Volume {
	if m, ok := v.(*volume.Mask); ok {
		return header(m)
	}
	return v.(*volume.Volume)
}
