package report

import (
	"math"

	"voxgrad/volume"
)

// Scan is an image made ready to be shown: in canonical order, with a grey
// scale that suits the brain and the box around it.
type Scan struct {
	vol       *volume.Volume // canonical: axes to the right, the front and up
	low, high float64        // shown black and white
	box       Box            // around the brain
}

// Box is a range of voxels on a canonical grid: Min inside, Max outside.
type Box struct{ Min, Max [3]int }

// NewScan prepares v. Black is the 0.5th percentile of the voxels in brain, and the
// 99.8th is at 1/headroom of white, so that bright lesions keep their texture; a nil brain means the non-zero voxels of a
// skull-stripped image, or what is brighter than the air of another one. NaN and infinite
// voxels are shown black. The error is for a mask on another grid.
func NewScan(v, brain *volume.Volume) (*Scan, error) {
	if brain != nil {
		if err := volume.SameSpace(v, brain); err != nil {
			return nil, err
		}
	}
	s := &Scan{vol: volume.Canonical(v)}
	var inside []bool
	if brain != nil {
		inside = volume.NonZero(volume.Canonical(brain))
	} else if found, err := volume.BrainMask(s.vol); err == nil {
		inside = volume.NonZero(found)
	} else { // an image with skull, or an empty one
		inside = brighterThanAir(s.vol)
	}
	s.window(inside)
	s.box = bounds(inside, s.vol.Grid)
	return s, nil
}

const headroom = 1.2

// Box is the box around the brain.
func (s *Scan) Box() Box { return s.box }

// Size is the number of voxels along the canonical axes.
func (s *Scan) Size() [3]int { return s.vol.Size }

// window sets the grey scale from at most about 2¹⁸ of the voxels inside, taken
// at equal distances.
func (s *Scan) window(inside []bool) {
	values := sample(s.vol.Data, inside)
	if len(values) == 0 {
		values = sample(s.vol.Data, nil)
	}
	if len(values) == 0 { // not one finite voxel
		values = []float32{0}
	}
	s.low, s.high = volume.Percentile(values, 0.5), volume.Percentile(values, 99.8)
	if s.high == s.low && s.low > 0 { // one value everywhere: show it against 0
		s.low = 0
	}
	s.high = s.low + headroom*(s.high-s.low)
	if !(s.high > s.low) {
		s.high = s.low + 1
	}
}

func sample(data []float32, inside []bool) []float32 {
	const enough = 1 << 18
	n := len(data)
	if inside != nil {
		n = 0
		for _, in := range inside {
			if in {
				n++
			}
		}
	}
	step, seen := 1+n/enough, 0
	values := make([]float32, 0, n/step+1)
	for x, f := range data {
		if inside != nil && !inside[x] {
			continue
		}
		if seen%step == 0 && !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) {
			values = append(values, f)
		}
		seen++
	}
	return values
}

// brighterThanAir is true above a tenth of the way from the 1st to the 99th
// percentile.
func brighterThanAir(v *volume.Volume) []bool {
	out := make([]bool, len(v.Data))
	values := sample(v.Data, nil)
	if len(values) == 0 {
		return out
	}
	low, high := volume.Percentile(values, 1), volume.Percentile(values, 99)
	for x, f := range v.Data {
		out[x] = float64(f) > low+0.1*(high-low)
	}
	return out
}

// bounds is the box around the true voxels with 3 mm to spare; everything where
// there is none.
func bounds(mask []bool, g volume.Grid) Box {
	b := Box{Min: g.Size}
	for k := range g.Size[2] {
		for j := range g.Size[1] {
			row := mask[g.Index(0, j, k):][:g.Size[0]]
			for i, in := range row {
				if in {
					for d, n := range [3]int{i, j, k} {
						b.Min[d], b.Max[d] = min(b.Min[d], n), max(b.Max[d], n+1)
					}
				}
			}
		}
	}
	if b.Max[0] == 0 {
		return Box{Max: g.Size}
	}
	spacing := g.Affine.Spacing()
	for d := range 3 {
		spare := int(math.Ceil(3 / spacing[d]))
		b.Min[d], b.Max[d] = max(0, b.Min[d]-spare), min(g.Size[d], b.Max[d]+spare)
	}
	return b
}

// grey is the brightness of an intensity, 0 to 255.
func (s *Scan) grey(x float64) uint8 {
	return uint8(math.Round(255 * min(max((x-s.low)/(s.high-s.low), 0), 1)))
}
