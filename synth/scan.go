package synth

import (
	"errors"
	"fmt"
	"math"

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
