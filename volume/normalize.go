package volume

import (
	"fmt"
	"math"
	"slices"
)

// Method is a way to bring FLAIR intensities, whose unit is arbitrary, to a
// common scale.
type Method string

const (
	// KDE divides by the position of the highest peak of the density of the brain's
	// intensities: see KDEScale. It is the method of the published pipeline.
	KDE Method = "kde"
	// Median divides by the median of the brain's non-zero intensities. It works
	// where the density has no clear peak, but moves with the share of dark fluid.
	Median Method = "median"
	// NoScale leaves intensities as they are, for images normalised elsewhere.
	NoScale Method = "none"
)

// Constants of the kernel density: the grid and the bandwidth of the public
// inference code of Kamraoui et al. (Front. Neuroimaging 2022).
const (
	kdePoints      = 128
	kdePercentile  = 99
	kdeBandwidths  = 80 // bandwidth = percentile / kdeBandwidths
	kdeGridMargins = 3  // bandwidths of grid beyond the smallest and largest value
)

// Normalize is v with everything outside mask set to 0 and the rest divided by
// the scale that method finds inside it. A nil mask keeps all voxels. Nothing is
// clipped. v itself is not changed.
//
// Errors name v: an unknown method, a mask of another size, no non-zero voxels,
// a constant image, NaN or infinite values, no usable peak.
func Normalize(v *Volume, mask *Mask, method Method) (*Volume, error) {
	out := &Volume{Grid: v.Grid, Data: slices.Clone(v.Data), Path: v.Path, Source: v.Source}
	if err := NormalizeInPlace(out, mask, method); err != nil {
		return nil, err
	}
	return out, nil
}

// NormalizeInPlace is Normalize that changes v.
func NormalizeInPlace(v *Volume, mask *Mask, method Method) error {
	scale, err := Scale(v, mask, method)
	if err != nil {
		return err
	}
	for x, f := range v.Data {
		if mask == nil || mask.Data[x] {
			v.Data[x] = float32(float64(f) / scale)
		} else {
			v.Data[x] = 0
		}
	}
	return nil
}

// Scale is what Normalize divides by.
func Scale(v *Volume, mask *Mask, method Method) (scale float64, err error) {
	switch method {
	case KDE:
		return KDEScale(v, mask)
	case Median:
		return medianScale(v, mask)
	case NoScale:
		_, err = brainValues(v, mask)
		return 1, err
	}
	return 0, fmt.Errorf("%s: unknown normalisation %q: use %q, %q or %q", v.Name(), method, KDE, Median, NoScale)
}

// KDEScale is the intensity at the highest peak of the density of v's non-zero
// voxels inside mask (nil: everywhere): of these voxels those up to their 99th
// percentile q are kept, their density is estimated with a Gaussian kernel of
// standard deviation q/80 at 128 points from 3 bandwidths below the smallest to 3
// above the largest value, voxels being shared linearly between the two
// neighbouring points, and the highest point that is strictly above both its
// neighbours is taken (the lowest intensity, if several are equally high). Values of which more than a
// tenth are clearly negative, as z-scores are, are an error.
func KDEScale(v *Volume, mask *Mask) (float64, error) {
	values, err := brainValues(v, mask)
	if err != nil {
		return 0, err
	}
	q := percentileInPlace(values, kdePercentile)
	kept := values[:0]
	for _, f := range values {
		if float64(f) <= q {
			kept = append(kept, f)
		}
	}
	bandwidth := q / kdeBandwidths
	if bandwidth <= 0 {
		return 0, fmt.Errorf("%s: the 99th percentile of the brain is %g: it must be above 0; FLAIR intensities should be positive inside the brain and 0 outside", v.Name(), q)
	}
	if err := centred(v, kept, q); err != nil {
		return 0, err
	}
	grid, density := gaussianDensity(kept, bandwidth)
	best := highestPeak(density)
	if best < 0 {
		return 0, fmt.Errorf("%s: the intensities of the brain have no peak to normalise by; check that it is a FLAIR image, or choose the normalisation %q", v.Name(), Median)
	}
	if grid[best] <= 0 {
		return 0, fmt.Errorf("%s: the intensities of the brain peak at %g: they must be positive, with 0 outside the brain", v.Name(), grid[best])
	}
	return grid[best], nil
}

// highestPeak is the place of the highest value strictly above both its
// neighbours, the first of several; -1 if there is none.
func highestPeak(density []float64) int {
	best := -1
	for n := 1; n < len(density)-1; n++ {
		peak := density[n] > density[n-1] && density[n] > density[n+1]
		if peak && (best < 0 || density[n] > density[best]) {
			best = n
		}
	}
	return best
}

// gaussianDensity is the kernel density of values on the grid of KDEScale, up to
// a constant factor.
func gaussianDensity(values []float32, bandwidth float64) (grid, density []float64) {
	lo := float64(slices.Min(values)) - kdeGridMargins*bandwidth
	hi := float64(slices.Max(values)) + kdeGridMargins*bandwidth
	step := (hi - lo) / (kdePoints - 1)
	var counts [kdePoints]float64
	for _, f := range values {
		at := (float64(f) - lo) / step
		n := min(int(at), kdePoints-2)
		counts[n] += 1 - (at - float64(n))
		counts[n+1] += at - float64(n)
	}
	grid, density = make([]float64, kdePoints), make([]float64, kdePoints)
	for n := range grid {
		grid[n] = lo + float64(n)*step
		for m, c := range counts {
			u := float64(n-m) * step / bandwidth
			density[n] += c * math.Exp(-u*u/2)
		}
	}
	return grid, density
}

func medianScale(v *Volume, mask *Mask) (float64, error) {
	values, err := brainValues(v, mask)
	if err != nil {
		return 0, err
	}
	m := percentileInPlace(values, 50)
	if m <= 0 {
		return 0, fmt.Errorf("%s: the median of the brain is %g: it must be above 0", v.Name(), m)
	}
	return m, centred(v, values, percentileInPlace(values, kdePercentile))
}

// mostNegative is the share of a brain's values that may be clearly negative: interpolation leaves few.
const mostNegative = 0.1

// centred is the error of intensities that were centred, as z-scores are: dividing them by a typical one, which may be
// any number then, makes no image that networks know. bright is their 99th percentile.
func centred(v *Volume, values []float32, bright float64) error {
	n := 0
	for _, f := range values {
		if float64(f) < -ringingEdge*bright {
			n++
		}
	}
	if share := float64(n) / float64(len(values)); share > mostNegative {
		return fmt.Errorf("%s: %.0f %% of the brain's voxels are negative, as where intensities were centred (z-scores): they must be positive, with 0 outside the brain; give the scan as it was before", v.Name(), 100*share)
	}
	return nil
}

// brainValues are v's non-zero values inside mask, in raster order; an error if
// no scale can be found from them.
func brainValues(v *Volume, mask *Mask) ([]float32, error) {
	if len(v.Data) != v.Len() {
		return nil, fmt.Errorf("%s: %d values do not fill %d×%d×%d voxels", v.Name(), len(v.Data), v.Size[0], v.Size[1], v.Size[2])
	}
	if mask != nil && (mask.Size != v.Size || len(mask.Data) != len(v.Data)) {
		return nil, fmt.Errorf("%s: the brain mask %s has %v voxels, the image %v; give a mask on the image's grid", v.Name(), mask.Name(), mask.Size, v.Size)
	}
	n := 0 // of values, so that they take no more memory than they need
	for x, f := range v.Data {
		if f != 0 && (mask == nil || mask.Data[x]) {
			n++
		}
	}
	values := make([]float32, 0, n)
	for x, f := range v.Data {
		if mask != nil && !mask.Data[x] {
			continue
		}
		if f-f != 0 { // NaN or infinite
			i, j, k := x%v.Size[0], x/v.Size[0]%v.Size[1], x/v.Size[0]/v.Size[1]
			return nil, fmt.Errorf("%s: voxel (%d, %d, %d) is %v: NaN and infinite values are not supported; replace them first", v.Name(), i, j, k, f)
		}
		if f != 0 {
			values = append(values, f)
		}
	}
	where := ""
	if mask != nil {
		where = " inside the brain mask " + mask.Name()
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("%s: no non-zero voxels%s: there is no brain in it", v.Name(), where)
	}
	if slices.Min(values) == slices.Max(values) {
		return nil, fmt.Errorf("%s: all %d non-zero voxels%s are %g: this is a mask or an empty image, not a FLAIR image", v.Name(), len(values), where, values[0])
	}
	return values, nil
}

// Percentile is the p-th percentile (0 to 100) of values with linear interpolation
// between the neighbouring order statistics, numpy's default. values stay as they
// are; they must not be empty or hold NaNs.
func Percentile(values []float32, p float64) float64 {
	return percentileInPlace(slices.Clone(values), p)
}

// percentileInPlace is Percentile that reorders values.
func percentileInPlace(values []float32, p float64) float64 {
	at := p / 100 * float64(len(values)-1)
	n := min(int(at), len(values)-1)
	selectNth(values, n)
	lo := float64(values[n])
	if n == len(values)-1 {
		return lo
	}
	hi := float64(slices.Min(values[n+1:]))
	return lo + (hi-lo)*(at-float64(n))
}

// selectNth moves the n-th smallest value to place n, smaller or equal ones before
// it and larger or equal ones behind (Hoare's quickselect, middle of three).
func selectNth(v []float32, n int) {
	lo, hi := 0, len(v)-1
	for lo < hi {
		a, b, c := v[lo], v[(lo+hi)/2], v[hi]
		pivot := max(min(a, b), min(max(a, b), c))
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			hi = j
		case n >= i:
			lo = i
		default:
			return
		}
	}
}
