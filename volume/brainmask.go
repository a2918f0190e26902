package volume

import (
	"fmt"
	"slices"
)

// mostlyBackground is the share of non-zero voxels above which an image cannot be
// skull-stripped: a brain fills about half of the tightest box around it.
const mostlyBackground = 0.95

// BrainMask is the brain of a skull-stripped image, as a volume of zeros and ones:
// its non-zero voxels, of these the largest piece (connected over faces), holes
// filled. Dark ventricles that skull stripping left at 0 are holes.
//
// It does not remove a skull. An image with next to no zero voxels gets an error;
// an image with skull whose air is exactly 0 cannot be told from a stripped one,
// and its mask is the whole head: use HeadBrainMask or give a mask for such images.
func BrainMask(v *Volume) (*Volume, error) {
	if _, err := brainValues(v, nil); err != nil {
		return nil, err
	}
	mask := NonZero(v)
	n := 0
	for _, m := range mask {
		if m {
			n++
		}
	}
	if float64(n) > mostlyBackground*float64(len(mask)) {
		return nil, fmt.Errorf("%s: %.1f %% of the voxels are non-zero: the image is not skull-stripped; give a brain mask, or choose the simple removal of the skull", v.Name(), 100*float64(n)/float64(len(mask)))
	}
	mask, err := largestFilled(mask, v.Size)
	if err != nil {
		return nil, fmt.Errorf("%s: brain mask: %w", v.Name(), err)
	}
	return v.FromMask(mask), nil
}

// largestFilled is the largest piece of mask without holes; mask has a true voxel.
func largestFilled(mask []bool, size [3]int) ([]bool, error) {
	labels, _, err := Components(mask, size, 6)
	if err != nil {
		return nil, err
	}
	for x, l := range labels {
		mask[x] = l == 1
	}
	return FillHoles(mask, size)
}

// Constants of HeadBrainMask, in millimetres and as a share of Otsu's threshold.
const (
	headThreshold = 0.8
	headErosion   = 3
	headClosing   = 6
)

// HeadBrainMask is a simple brain mask of a FLAIR image with skull, as a volume of
// zeros and ones. Fluid is dark in FLAIR, and so is the skull: what is brighter than
// 0.8 of Otsu's threshold ("A threshold selection method from gray-level
// histograms", IEEE Trans. SMC 1979; positive values only) is eroded by 3 mm, which
// cuts the brain off from scalp and eyes; the largest piece is dilated back, gaps of
// up to 12 mm (sulci, ventricles) are closed, holes filled.
//
// It is meant for a quick look, not to replace a skull-stripping tool: it knows no
// anatomy, and fails where meninges or fat bridge brain and scalp. Look at it before
// use.
func HeadBrainMask(v *Volume) (*Volume, error) {
	values, err := brainValues(v, nil)
	if err != nil {
		return nil, err
	}
	threshold, err := otsu(values)
	if err != nil {
		return nil, fmt.Errorf("%s: brain mask: %w", v.Name(), err)
	}
	mask := make([]bool, len(v.Data))
	for x, f := range v.Data {
		mask[x] = float64(f) > headThreshold*threshold
	}
	spacing := v.Affine.Spacing()
	mask, err = Erode(mask, v.Size, spacing, headErosion)
	if err == nil && !slices.Contains(mask, true) {
		err = fmt.Errorf("nothing bright is more than %d mm thick; give a brain mask", 2*headErosion)
	}
	if err == nil {
		mask, err = largestFilled(mask, v.Size)
	}
	if err == nil {
		mask, err = Dilate(mask, v.Size, spacing, headErosion+headClosing)
	}
	if err == nil {
		mask, err = Erode(mask, v.Size, spacing, headClosing)
	}
	if err == nil && !slices.Contains(mask, true) {
		err = fmt.Errorf("the brain is cut off at every border of the image; give a brain mask")
	}
	if err == nil {
		mask, err = largestFilled(mask, v.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: brain mask: %w", v.Name(), err)
	}
	return v.FromMask(mask), nil
}

// otsu is the threshold that separates the positive values into two classes with
// the largest variance between them, out of 256 steps up to the 99.5th percentile.
func otsu(values []float32) (float64, error) {
	var positive []float32
	for _, f := range values {
		if f > 0 {
			positive = append(positive, f)
		}
	}
	if len(positive) == 0 {
		return 0, fmt.Errorf("no voxel is above 0")
	}
	const steps = 256
	top := percentileInPlace(positive, 99.5)
	var counts [steps]float64
	var total, sum float64
	for _, f := range positive {
		n := min(int(float64(f)/top*steps), steps-1)
		counts[n]++
		total++
		sum += float64(n)
	}
	var below, belowSum, most float64
	first, last := 0, 0 // of the equally good steps
	for n, c := range counts {
		below += c
		belowSum += c * float64(n)
		if below == 0 || below == total {
			continue
		}
		gap := belowSum/below - (sum-belowSum)/(total-below)
		between := below * (total - below) * gap * gap
		if between > most {
			most, first = between, n
		}
		if between == most {
			last = n
		}
	}
	return (float64(first+last)/2 + 1) / steps * top, nil
}
