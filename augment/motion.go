package augment

import (
	"errors"
	"fmt"
	"math"

	"voxgrad/device"
	"voxgrad/volume"
)

// Motion imitates a patient who moves between parts of the acquisition: the
// spectrum along an axis is put together from segments of the spectra of the image
// and of moved copies of it (Shaw et al., "MRI k-space motion artefact augmentation",
// MIDL 2019, as in TorchIO's RandomMotion). Movement m is
//
//	y[i] = x[A⁻¹(R·A·i + t)],  R = Rz·Rx·Ry
//
// with A from voxels to LPS millimetres, linear interpolation, and the minimum of the image outside.
//
// As the weights depend on one frequency only, this is a sum of circular
// convolutions along one axis, and no Fourier transform in 3D is needed.
type Motion struct {
	same
	// Safe keeps the segment with the zero frequency unmoved, so that masks stay
	// valid. Without it the unmoved image takes the segment before the first time above
	// ½, which need not be the one with the zero frequency: TorchIO's rule.
	Safe bool `json:"-"`

	Degrees     []Triple  `json:"degrees_lps" need:"yes"`        // of each movement about the LPS axes
	Translation []Triple  `json:"translation_mm_lps" need:"yes"` // of each movement
	Times       []float64 `json:"times" need:"yes"`              // when each begins, in (0, 1), increasing

	// Affine maps voxels to RAS millimetres; rotations are about its origin. Nil: voxels of
	// 1 mm and the origin at the centre of the image.
	Affine *Affine `json:"affine_ras,omitempty"`

	SegmentAxis int `json:"segment_axis"`
}

// Name implements Transform.
func (m Motion) Name() string {
	if m.Safe {
		return "motion_safe"
	}
	return "motion"
}

func (m Motion) String() string {
	if len(m.Times) == 1 {
		return "motion, 1 movement"
	}
	return fmt.Sprintf("motion, %d movements", len(m.Times))
}

// Check implements Transform.
func (m Motion) Check(size [3]int) error { return checked(m, m.valid(), size) }

func (m Motion) valid() error {
	if len(m.Times) == 0 || len(m.Degrees) != len(m.Times) || len(m.Translation) != len(m.Times) {
		return fmt.Errorf("%d rotations, %d translations and %d times: there must be as many of each, at least one", len(m.Degrees), len(m.Translation), len(m.Times))
	}
	last := 0.0
	for i, t := range m.Times {
		if !(t > last && t < 1) {
			return fmt.Errorf("times %v: must increase and lie between 0 and 1", m.Times)
		}
		last = t
		if err := finite("degrees_lps, translation_mm_lps", append(m.Degrees[i][:], m.Translation[i][:]...)...); err != nil {
			return err
		}
	}
	if m.Affine != nil {
		for _, row := range m.Affine {
			if err := finite("affine_ras", row[:]...); err != nil {
				return err
			}
		}
		if d := volume.Affine(*m.Affine).Det(); !(math.Abs(d) > 1e-9 && math.Abs(d) < 1e9) {
			return errors.New("affine_ras: must have an inverse")
		}
	}
	if m.SegmentAxis < 0 || m.SegmentAxis > 2 {
		return fmt.Errorf("segment_axis %d: must be 0, 1 or 2", m.SegmentAxis)
	}
	return nil
}

// Apply implements Transform.
func (m Motion) Apply(dev Device, y, x device.Tensor) {
	size := x.Grid()
	n := size[m.SegmentAxis]
	least, moved := dev.Alloc(device.Scalar()), dev.Alloc(x.Shape)
	dev.Min(least, x)
	into := set(y)
	cuts := m.cuts(n)
	for j, movement := range m.order(cuts) {
		if cuts[j] == cuts[j+1] {
			continue
		}
		from := x
		if movement > 0 {
			dev.Resample(moved, x, least, m.points(movement-1, size))
			from = moved
		}
		w := make([]float64, n)
		for k := cuts[j]; k < cuts[j+1]; k++ {
			w[k] = 1
		}
		along(dev, into, from, circulant(weighted(w)), m.SegmentAxis)
		into = add(y)
	}
	dev.Free(moved)
	dev.Free(least)
}

// cuts are the planes of the spectrum at which segments begin, and n.
func (m Motion) cuts(n int) []int {
	cuts := []int{0}
	for _, t := range m.Times {
		cuts = append(cuts, int(float64(n)*t))
	}
	return append(cuts, n)
}

// order is what fills each segment: 0 the image itself, k movement k−1.
func (m Motion) order(cuts []int) []int {
	order := make([]int, len(cuts)-1)
	if m.Safe {
		centre, next := cuts[len(cuts)-1]/2, 1
		for j := range order {
			if cuts[j] <= centre && centre < cuts[j+1] {
				continue
			}
			order[j] = next
			next++
		}
		return order
	}
	for j := range order {
		order[j] = j
	}
	still := len(m.Times) // the first time after the middle, or the last segment
	for i, t := range m.Times {
		if t > 0.5 {
			still = i
			break
		}
	}
	order[0], order[still] = order[still], order[0]
	return order
}

// points is the map from voxels of the moved image to voxels of the image.
func (m Motion) points(movement int, size [3]int) [3][4]float64 {
	a := m.affine(size)
	for c := range 4 { // RAS to LPS
		a[0][c], a[1][c] = -a[0][c], -a[1][c]
	}
	return a.Inverse().Mul(rigid(m.Degrees[movement], m.Translation[movement]).Mul(a))
}

func (m Motion) affine(size [3]int) volume.Affine {
	if m.Affine != nil {
		return volume.Affine(*m.Affine)
	}
	return volume.Affine(Centred(size, [3]float64{1, 1, 1}))
}

// Affine maps voxels to RAS millimetres. In JSON it has a fourth row, 0 0 0 1.
type Affine volume.Affine

// Centred is the affine of an image with that spacing in millimetres and the origin
// at its centre.
func Centred(size [3]int, spacing [3]float64) (a Affine) {
	for d, s := range spacing {
		a[d][d], a[d][3] = s, -s*float64(size[d]-1)/2
	}
	return a
}

// rigid is the rotation Rz·Rx·Ry followed by the translation.
func rigid(degrees, translation Triple) volume.Affine {
	var c, s [3]float64
	for a, d := range degrees {
		s[a], c[a] = math.Sincos(d * math.Pi / 180)
	}
	x := volume.Affine{{1, 0, 0, 0}, {0, c[0], -s[0], 0}, {0, s[0], c[0], 0}}
	y := volume.Affine{{c[1], 0, s[1], 0}, {0, 1, 0, 0}, {-s[1], 0, c[1], 0}}
	z := volume.Affine{{c[2], -s[2], 0, 0}, {s[2], c[2], 0, 0}, {0, 0, 1, 0}}
	r := z.Mul(x.Mul(y))
	for a, t := range translation {
		r[a][3] = t
	}
	return r
}
