package prepare

import (
	"fmt"
	"math"

	"voxgrad/internal/par"
	"voxgrad/volume"
)

// level is a scan at one resolution, ready to be compared with another.
type level struct {
	image  *volume.Volume // on an isotropic grid along the scan's axes; 0 outside domain
	weight *volume.Volume // 1 where a voxel counts, down to 0
}

// scan is a time point, or the atlas, as registration sees it.
type scan struct {
	v    *volume.Volume // canonical order, finite, 0 outside domain where that is a brain mask
	mask *volume.Mask   // what is compared: the head, or the brain where its mask is known; on v's grid
}

// newScan takes a scan and what of it counts; a nil mask: the head is found.
func newScan(v *volume.Volume, mask *volume.Mask) (*scan, error) {
	s := &scan{v: volume.Canonical(v), mask: mask}
	s.v.Path = v.Path
	for x, f := range s.v.Data {
		if f-f != 0 {
			s.v.Data[x] = 0
		}
	}
	if mask != nil {
		s.mask = mask.Resample(s.v.Grid)
	} else {
		head, err := headMask(s.v)
		if err != nil {
			return nil, err
		}
		s.mask = head
	}
	return s, nil
}

// finest is the voxel size, mm, of the finest level.
const finest = 2

// pyramid is the scan with voxels of finest, twice and four times that, not normalised,
// smoothed to each.
func (s *scan) pyramid() (levels [3]*level, err error) {
	v, mask := s.v.Like(), s.mask.Volume()
	copy(v.Data, s.v.Data)
	spacing := s.v.Affine.Spacing()
	for n := range levels {
		mm := finest * math.Ldexp(1, n)
		grid, err := volume.Iso(v.Grid, mm)
		if err != nil {
			return levels, fmt.Errorf("%s: %w", s.v.Name(), err)
		}
		var sigma [3]float64
		for a := range 3 { // voxels are boxes, s/√12 wide
			sigma[a] = math.Sqrt(max(0, mm*mm/4-spacing[a]*spacing[a]/12))
		}
		v.Smooth(sigma)
		mask.Smooth(sigma)
		how := volume.Cubic
		if n > 0 {
			how = volume.Linear
		}
		v, mask = volume.Resample(v, grid, how, 0), volume.Resample(mask, grid, volume.Linear, 0)
		levels[n] = &level{image: v.Like(), weight: mask.Like()}
		copy(levels[n].image.Data, v.Data)
		for x, w := range mask.Data {
			levels[n].weight.Data[x] = min(1, max(0, 2*w-0.5)) // an edge a voxel wide
		}
		spacing = [3]float64{mm * math.Sqrt(3), mm * math.Sqrt(3), mm * math.Sqrt(3)} // of a box as wide as the Gaussian
	}
	return levels, nil
}

// flat is the spread, as a share of that of the whole image, below which surroundings count as
// without structure.
const flat = 0.1

// normalised is the level with the mean and the spread of its surroundings, a Gaussian of
// window mm over voxels that count, taken out: the difference of two such images is, but
// for a constant, their local correlation, which a bias field, another contrast and
// another unit leave as it is.
func (l *level) normalised(window float64) *level {
	w := [3]float64{window, window, window}
	n := l.weight.Like()
	copy(n.Data, l.weight.Data)
	n.Smooth(w)
	mean := l.image.Like()
	out := &level{image: l.image.Like(), weight: l.weight}
	for x, f := range l.image.Data {
		mean.Data[x] = f * l.weight.Data[x]
	}
	mean.Smooth(w)
	var square, whole float64
	spread := l.image.Like()
	for x, f := range l.image.Data {
		mean.Data[x] /= max(n.Data[x], 1e-6)
		d := f - mean.Data[x]
		spread.Data[x] = d * d * l.weight.Data[x]
		square += float64(spread.Data[x])
		whole += float64(l.weight.Data[x])
	}
	spread.Smooth(w)
	least := float32(flat * flat * square / max(whole, 1))
	par.Chunks(len(l.image.Data), 1<<14, func(lo, hi int) {
		for x := lo; x < hi; x++ {
			sd := math.Sqrt(float64(spread.Data[x]/max(n.Data[x], 1e-6) + least + 1e-30))
			out.image.Data[x] = (l.image.Data[x] - mean.Data[x]) / float32(sd) * l.weight.Data[x]
		}
	})
	return out
}

// headMask is what of a scan is not air: above a threshold between the noise of the air and the
// tissue, largest piece, closed, holes filled. It serves the registration alone and need not be exact.
func headMask(v *volume.Volume) (*volume.Mask, error) {
	grid, err := volume.Iso(v.Grid, 4)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.Name(), err)
	}
	smooth := v.Like()
	copy(smooth.Data, v.Data)
	spacing := v.Affine.Spacing()
	smooth.Smooth([3]float64{max(0, 2-spacing[0]/4), max(0, 2-spacing[1]/4), max(0, 2-spacing[2]/4)})
	low := volume.Resample(smooth, grid, volume.Linear, 0)
	level := otsu(low.Data)
	if math.IsNaN(level) {
		return nil, fmt.Errorf("%s: the image is constant: there is no head in it", v.Name())
	}
	// Fluid and skull are dark: half way down from the threshold is above the noise of air.
	mask := low.Above(level / 2)
	largest, comps, err := volume.Components(mask.Data, mask.Size, 6)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.Name(), err)
	}
	if len(comps) == 0 {
		return nil, fmt.Errorf("%s: nothing in the image is brighter than its background: there is no head in it", v.Name())
	}
	for x, n := range largest {
		mask.Data[x] = n == 1
	}
	if mask.Data, err = volume.FillHoles(mask.Data, mask.Size); err != nil {
		return nil, fmt.Errorf("%s: %w", v.Name(), err)
	}
	if mask.Data, err = volume.Dilate(mask.Data, mask.Size, volume.Voxels, 1); err != nil {
		return nil, fmt.Errorf("%s: %w", v.Name(), err)
	}
	return mask.Resample(v.Grid), nil
}

// otsu is the threshold that parts values into two classes of least spread (Otsu 1979), the
// brightest percent counting as its least; NaN where all are equal.
func otsu(values []float32) float64 {
	lo, hi := volume.Percentile(values, 0), volume.Percentile(values, 99)
	if !(hi > lo) {
		if hi = volume.Percentile(values, 100); !(hi > lo) {
			return math.NaN()
		}
	}
	const bins = 256
	var count [bins]float64
	for _, f := range values {
		b := int((float64(f) - lo) / (hi - lo) * bins)
		count[max(0, min(bins-1, b))]++
	}
	var all, sum float64
	for b, c := range count {
		all += c
		sum += c * float64(b)
	}
	best, at := -1.0, 0
	var n, s float64
	for b := range bins - 1 {
		n += count[b]
		s += count[b] * float64(b)
		if n == 0 || n == all {
			continue
		}
		d := s/n - (sum-s)/(all-n)
		if between := n * (all - n) * d * d; between > best {
			best, at = between, b
		}
	}
	return lo + (hi-lo)*float64(at+1)/bins
}
