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
	InputBrain   []bool         // on its grid
	InputLesions []bool

	Image      *volume.Volume // canonical
	Brain      []bool         // on its grid
	Lesions    []bool
	Likelihood []float32 // on its grid, see Patch; may be nil

	Scale float64 // intensities of Input are those of Image times Scale
	Case  string
}

// Patch is the scan as a patch, in the network's order.
func (s *Scan) Patch() Patch {
	size, affine := s.Image.Size, s.Image.Affine
	p := Patch{Size: size, Case: s.Case, Affine: &affine, Brain: toNetwork(s.Brain, size), Lesions: toNetwork(s.Lesions, size)}
	if s.Likelihood != nil {
		p.Likelihood = toNetwork(s.Likelihood, size)
	}
	return p
}

// Values are the intensities of Image in the network's order.
func (s *Scan) Values() []float32 { return toNetwork(s.Image.Data, s.Image.Size) }

// toNetwork turns a volume's order, the first axis fastest, into the network's,
// the last axis fastest; fromNetwork turns it back.
func toNetwork[T any](src []T, size [3]int) []T {
	out := make([]T, len(src))
	transpose(size, func(v, n int) { out[n] = src[v] })
	return out
}

func fromNetwork[T any](src []T, size [3]int) []T {
	out := make([]T, len(src))
	transpose(size, func(v, n int) { out[v] = src[n] })
	return out
}

func transpose(size [3]int, f func(v, n int)) {
	v := 0
	for k := range size[2] {
		for j := range size[1] {
			for i := range size[0] {
				f(v, (i*size[1]+j)*size[2]+k)
				v++
			}
		}
	}
}

// leastInside is the share of a map's sum that must lie in the brain: less, and the
// two are not in one space. A coarse check: a few centimetres escape it.
const leastInside = 0.8

// Likely is the map of likely places on a grid: the product of maps that lie in
// the same space, on grids of their own, interpolated linearly and 0 beyond their
// edges. Each must be finite, at least 0 and have at least four fifths of its sum inside
// the brain; a map in quite another space has not. Without maps it is nil.
func Likely(brain []bool, grid volume.Grid, maps ...*volume.Volume) ([]float32, error) {
	var out []float32
	for _, m := range maps {
		if err := checkMap(m, brain, grid); err != nil {
			return nil, err
		}
		on := volume.Resample(m, grid, volume.Linear, 0)
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
		if v > 0 && brain[i] {
			return out, nil
		}
	}
	return nil, errors.New("the maps of likely places exclude each other everywhere in the brain")
}

// checkMap refuses a map with impossible values or in another space.
func checkMap(m *volume.Volume, brain []bool, grid volume.Grid) error {
	in := volume.Resample(volume.New(grid).FromMask(brain), m.Grid, volume.Nearest, 0)
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
