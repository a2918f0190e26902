package volume

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"voxgrad/internal/warn"
)

// Shares by which BrainMask judges the background of an image.
const (
	mostlyBackground = 0.95 // more non-zero voxels than that: not skull-stripped, a brain fills about half of the tightest box around it
	oneValue         = 0.2  // so many voxels of one value other than 0: that is the background

	// A spline that moved a stripped image leaves values near 0 all over its
	// background, which fall by a factor of four with every voxel.
	ringing     = 1e-4 // of the brightest percentile: no scanner's air is that quiet
	ringingMost = 0.1  // so many of the non-zero voxels below it are no coincidence
	ringingEdge = 0.02 // of the brightest percentile: what is above it counts then
)

// ErrBackground is why BrainMask refuses an image whose background is a value far from 0.
var ErrBackground = errors.New("the background is not 0")

// BrainMask is the brain of a skull-stripped image: every voxel that is not 0, in
// however many pieces, with holes filled. Dark ventricles that skull stripping left at
// 0 are holes. Where a spline has moved the image, values near 0 in its background
// are 0, with a warning, and so is one value near 0 that fills the background; one far from 0 is ErrBackground.
//
// It does not remove a skull. An image with next to no zero voxels gets an error
// that states why; an image with skull whose air is exactly 0 cannot be told from a
// stripped one by its zeros, and its mask is the whole head: see Implausible. Give a
// mask for such images.
func BrainMask(v *Volume) (*Mask, error) {
	values, err := brainValues(v, nil)
	if err != nil {
		return nil, err
	}
	for n, f := range values {
		values[n] = max(f, -f)
	}
	bright := percentileInPlace(values, 99)
	quiet := 0
	for _, f := range values {
		if float64(f) <= ringing*bright {
			quiet++
		}
	}
	mask := v.NonZero()
	if share := float64(quiet) / float64(len(values)); share > ringingMost {
		warn.Once("%s: %.0f %% of the non-zero voxels are below a ten-thousandth of the bright ones, as interpolation leaves them around a stripped brain; what is below %.3g counts as background",
			v.Name(), 100*share, ringingEdge*bright)
		for x, f := range v.Data {
			mask.Data[x] = math.Abs(float64(f)) > ringingEdge*bright
		}
	}
	if share := float64(mask.Count()) / float64(len(v.Data)); share > mostlyBackground {
		value, of := v.mostFrequent()
		switch {
		case value == 0 || of <= oneValue:
			return nil, fmt.Errorf("%s: %.1f %% of the voxels are non-zero: the image is not skull-stripped; find its brain with voxgrad prepare, or give a brain mask (--brainmask)", v.Name(), 100*share)
		case math.Abs(float64(value)) > ringingEdge*bright:
			return nil, fmt.Errorf("%s: %.0f %% of the voxels are %g: %w, so the brain cannot be told from it; set the background to 0 or give a brain mask (--brainmask)", v.Name(), 100*of, value, ErrBackground)
		}
		warn.Once("%s: %.0f %% of the voxels are %g, next to 0 beside the bright ones: they count as background", v.Name(), 100*of, value)
		for x, f := range v.Data {
			mask.Data[x] = mask.Data[x] && f != value
		}
	}
	if mask.Data, err = FillHoles(mask.Data, v.Size); err != nil {
		return nil, fmt.Errorf("%s: brain mask: %w", v.Name(), err)
	}
	return mask, nil
}

// mostFrequent is the most frequent of v's values and its share of the voxels; with
// many voxels, the most frequent one of some 65,000 of them.
func (v *Volume) mostFrequent() (value float32, share float64) {
	step := 1 + len(v.Data)>>16
	counts, most := map[float32]int{}, 0
	for x := 0; x < len(v.Data); x += step {
		f := v.Data[x]
		counts[f]++
		if counts[f] > most {
			value, most = f, counts[f]
		}
	}
	n := 0
	for _, f := range v.Data {
		if f == value {
			n++
		}
	}
	return value, float64(n) / float64(len(v.Data))
}

// Limits of Implausible.
const (
	largestBrainMM3 = 2.0e6 // the largest brains, with the fluid around them, have some 1.9 litres
	longestBrainMM  = 195   // from the front to the back; heads are longer
	mostOfAFace     = 0.25  // of a face of the image
)

// Implausible returns why m is hardly a brain: too large or too long for one, or cut off by the
// image's border; "" where nothing speaks against it.
func (m *Mask) Implausible() string {
	n, s := m.Count(), m.Affine.Spacing()
	mm3 := float64(n) * s[0] * s[1] * s[2]
	lo, hi := m.Bounds()
	longest := m.longest()
	box := float64(hi[0]-lo[0]) * float64(hi[1]-lo[1]) * float64(hi[2]-lo[2])
	var faces []string
	most := 0.0
	for axis := range 3 {
		for end := range 2 {
			if share := m.face(axis, end*(m.Size[axis]-1)); share > mostOfAFace {
				o := m.Affine.Orientation()
				way := end
				if o.Flip[axis] {
					way = 1 - end
				}
				faces = append(faces, [3][2]string{{"left", "right"}, {"back", "front"}, {"lower", "upper"}}[o.World[axis]][way])
				most = max(most, share)
			}
		}
	}
	switch {
	case longest > longestBrainMM && mm3 <= largestBrainMM3:
		return fmt.Sprintf("it is %.0f mm long; a brain has up to 190: does the scan still show the skull?", longest)
	case mm3 > largestBrainMM3:
		return fmt.Sprintf("it has %.1f litres (%.0f %% of the image, %.0f %% of the box around it); a brain has up to 2: does the scan still show the skull?",
			mm3/1e6, 100*float64(n)/float64(max(1, len(m.Data))), 100*float64(n)/max(1, box))
	case len(faces) > 0:
		return fmt.Sprintf("it covers up to %.0f %% of the image's %s face: is the brain cut off, or does the scan still show the skull?", 100*most, strings.Join(faces, " and "))
	}
	return ""
}

// longest is the largest extent along an axis of the image, mm.
func (m *Mask) longest() float64 {
	s := m.Affine.Spacing()
	lo, hi := m.Bounds()
	return max(float64(hi[0]-lo[0])*s[0], float64(hi[1]-lo[1])*s[1], float64(hi[2]-lo[2])*s[2])
}

// Oversized reports whether m is too large or too long for a brain: a head.
func (m *Mask) Oversized() bool {
	s := m.Affine.Spacing()
	return m.longest() > longestBrainMM || float64(m.Count())*s[0]*s[1]*s[2] > largestBrainMM3
}

// face is the share of the voxels of a plane across an axis that are in the mask.
func (m *Mask) face(axis, at int) float64 {
	a, b := (axis+1)%3, (axis+2)%3
	var p [3]int
	p[axis] = at
	n := 0
	for p[b] = range m.Size[b] {
		for p[a] = range m.Size[a] {
			if m.Data[m.Index(p[0], p[1], p[2])] {
				n++
			}
		}
	}
	return float64(n) / float64(m.Size[a]*m.Size[b])
}
