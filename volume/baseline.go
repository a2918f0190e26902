package volume

import (
	"fmt"
	"math"
)

// DifferenceOptions are the settings of DifferenceBaseline.
type DifferenceOptions struct {
	Method    Method  // intensity normalisation
	SmoothMM  float64 // standard deviation of the Gaussian that smooths both images
	SDs       float64 // threshold in robust standard deviations of the difference
	Threshold float64 // if above 0, the threshold itself, in place of SDs
	MinMM3    float64 // pieces of this volume or less are dropped
}

// DefaultDifference is DifferenceBaseline's usual setting.
func DefaultDifference() DifferenceOptions {
	return DifferenceOptions{Method: KDE, SmoothMM: 0.7, SDs: 4, MinMM3: 3}
}

// DifferenceBaseline marks what became brighter from t1 to t2: the method to beat.
// Both images are normalised inside mask, smoothed by a Gaussian of SmoothMM, and
// subtracted, d = t2 − t1. Voxels of the mask with
//
//	d − median(d) > SDs · 1.4826 · median(|d − median(d)|)
//
// (or > Threshold) are kept, and of their pieces connected over faces those larger
// than MinMM3. The factor makes the median absolute deviation that of a normal
// distribution (Rousseeuw and Croux, JASA 1993). The result is on
// the grid of t2. The three volumes must be on one grid; errors name the file.
func DifferenceBaseline(t1, t2 *Volume, mask *Mask, o DifferenceOptions) (*Mask, error) {
	if !(o.SmoothMM >= 0) || !(o.MinMM3 >= 0) || !(o.Threshold >= 0) || !(o.Threshold > 0 || o.SDs > 0) {
		return nil, fmt.Errorf("difference baseline: smoothing %g mm, %g SDs, threshold %g, smallest piece %g mm³: none may be negative, and SDs or a threshold is needed", o.SmoothMM, o.SDs, o.Threshold, o.MinMM3)
	}
	if mask == nil {
		return nil, fmt.Errorf("difference baseline of %s and %s: a brain mask is needed", t1.Name(), t2.Name())
	}
	for _, v := range []Image{t2, mask} {
		if err := SameSpace(t1, v); err != nil {
			return nil, err
		}
	}
	spacing := t2.Affine.Spacing()
	var smooth [2]*Volume
	for n, v := range []*Volume{t1, t2} {
		normal, err := Normalize(v, mask, o.Method)
		if err != nil {
			return nil, err
		}
		gaussianBlur(normal.Data, normal.Size, spacing, [3]float64{o.SmoothMM, o.SmoothMM, o.SmoothMM})
		smooth[n] = normal
	}
	diff := smooth[1].Data
	var inside []float32
	for x := range diff {
		diff[x] -= smooth[0].Data[x]
		if mask.Data[x] {
			inside = append(inside, diff[x])
		}
	}
	middle := percentileInPlace(inside, 50)
	for n, d := range inside {
		inside[n] = float32(math.Abs(float64(d) - middle))
	}
	limit := o.Threshold
	if limit == 0 {
		limit = o.SDs * 1.4826 * percentileInPlace(inside, 50)
	}
	found := make([]bool, len(diff))
	for x, d := range diff {
		found[x] = mask.Data[x] && float64(d)-middle > limit
	}
	smallest := int(math.Floor(o.MinMM3/(spacing[0]*spacing[1]*spacing[2]))) + 1
	found, err := KeepLarger(found, t2.Size, 6, smallest)
	if err != nil {
		return nil, fmt.Errorf("difference baseline of %s and %s: %w", t1.Name(), t2.Name(), err)
	}
	return &Mask{Grid: t2.Grid, Data: found, Source: t2.Source}, nil
}
