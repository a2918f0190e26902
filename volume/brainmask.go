package volume

import "fmt"

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
		return nil, fmt.Errorf("%s: %.1f %% of the voxels are non-zero: the image is not skull-stripped; give a brain mask", v.Name(), 100*float64(n)/float64(len(mask)))
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
