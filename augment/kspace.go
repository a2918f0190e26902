package augment

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"voxgrad/device"
	"voxgrad/internal/text"
	"voxgrad/volume"
)

// Ghosting weakens every num-th plane of the spectrum along an axis by a factor
// 1 − intensity, which lays weak copies of the image over it (TorchIO's
// RandomGhosting). Planes count from the lowest frequency. Then planes around the zero frequency
// are put back: without Restore that one plane, with Restore the planes [c − ⌊h/2⌋,
// c + ⌊h/2⌋), h = Restore·N rounded half to even, c = ⌊N/2⌋.
//
// It is a circular convolution along the axis.
type Ghosting struct {
	same
	Num       int      `json:"num_ghosts" need:"yes"`
	Axis      int      `json:"axis" need:"yes"`
	Intensity float64  `json:"intensity" need:"yes"`
	Restore   *float64 `json:"restore"`
}

// Name implements Transform.
func (Ghosting) Name() string { return "ghosting" }

func (g Ghosting) String() string {
	return fmt.Sprintf("ghosting, %d along %s, intensity %.3g", g.Num, axisName(g.Axis), g.Intensity)
}

// Check implements Transform.
func (g Ghosting) Check(size [3]int) error { return checked(g, g.valid(), size) }

func (g Ghosting) valid() error {
	if g.Num < 0 {
		return fmt.Errorf("num_ghosts %d: must not be negative", g.Num)
	}
	if g.Restore != nil && !(*g.Restore >= 0 && *g.Restore <= 1) {
		return fmt.Errorf("restore %g: must be from 0 to 1, or null", *g.Restore)
	}
	if err := finite("intensity", g.Intensity); err != nil {
		return err
	}
	return validAxis(g.Axis)
}

// Apply implements Transform.
func (g Ghosting) Apply(dev Device, y, x device.Tensor) {
	if g.Num == 0 || g.Intensity == 0 {
		dev.Copy(set(y), x)
		return
	}
	along(dev, set(y), x, circulant(weighted(g.weights(x.Grid()[g.Axis]))), g.Axis)
}

// weights of the planes of the spectrum.
func (g Ghosting) weights(n int) []float64 {
	w := make([]float64, n)
	for k := range w {
		w[k] = 1
		if k%g.Num == 0 {
			w[k] = 1 - g.Intensity
		}
	}
	lo, hi := n/2, n/2+1
	if g.Restore != nil {
		half := int(math.RoundToEven(*g.Restore*float64(n))) / 2
		lo, hi = n/2-half, n/2+half
	}
	for k := max(lo, 0); k < min(hi, n); k++ {
		w[k] = 1
	}
	return w
}

// Spike adds intensity times the largest element of the spectrum to single
// elements of it, one after another, which lays waves over the image (TorchIO's
// RandomSpike). Positions are fractions of the spectrum's extent, in [0, 1), counted
// from the lowest frequencies. The largest element is that with the largest real part,
// kept complex; the real part of the result is kept.
type Spike struct {
	same
	// FixedMax looks for the largest element once. Without it the search is repeated
	// after each spike, as in TorchIO, and spikes grow.
	FixedMax bool `json:"-"`

	Positions []Point `json:"positions" need:"yes"`
	Intensity float64 `json:"intensity" need:"yes"`

	// Indices, if given, are the elements that the positions must stand for.
	Indices [][]int `json:"indices,omitempty"`
}

// Point is three coordinates.
type Point [3]float64

// Name implements Transform.
func (s Spike) Name() string {
	if s.FixedMax {
		return "spike_fixedmax"
	}
	return "spike"
}

func (s Spike) String() string {
	if len(s.Positions) == 1 {
		return fmt.Sprintf("spike, intensity %.3g", s.Intensity)
	}
	return fmt.Sprintf("%s, intensity %.3g", text.Plural(len(s.Positions), "spike"), s.Intensity)
}

// Check implements Transform.
func (s Spike) Check(size [3]int) error {
	err := s.valid()
	for i, at := range s.Indices {
		if err != nil {
			break
		}
		if bin := s.Positions[i].Bin(size); !slices.Equal(at, bin[:]) {
			err = fmt.Errorf("position %v of %d×%d×%d is element %v, not %v", s.Positions[i], size[0], size[1], size[2], bin, at)
		}
	}
	return checked(s, err, size)
}

func (s Spike) valid() error {
	for _, p := range s.Positions {
		for _, x := range p {
			if !(x >= 0 && x < 1) {
				return fmt.Errorf("position %v: must be from 0 to below 1 along each axis", p)
			}
		}
	}
	if s.Indices != nil && len(s.Indices) != len(s.Positions) {
		return fmt.Errorf("%d indices for %d positions", len(s.Indices), len(s.Positions))
	}
	return finite("intensity", s.Intensity)
}

// Bin is the element of a spectrum of that size at a position.
func (p Point) Bin(size [3]int) (at [3]int) {
	for a, n := range size {
		at[a] = int(math.Floor(p[a] * float64(n)))
	}
	return at
}

// Apply implements Transform.
func (s Spike) Apply(dev Device, y, x device.Tensor) {
	if len(s.Positions) == 0 || s.Intensity == 0 {
		dev.Copy(set(y), x)
		return
	}
	re, im := spectrum(dev, x)
	peak := dev.Alloc(device.Vec(2))
	dev.KSpacePeak(peak, re, im)
	for i, p := range s.Positions {
		at := p.Bin(x.Grid())
		dev.SpikeInImage(y, x, peak, at, s.Intensity)
		x = y
		if !s.FixedMax && i+1 < len(s.Positions) {
			dev.KSpaceSpike(re, im, peak, at, s.Intensity)
			dev.KSpacePeak(peak, re, im)
		}
	}
	dev.Free(peak)
	dev.Free(im)
	dev.Free(re)
}

// spectrum is the discrete Fourier transform of x, Σ x·exp(−2πi·k·t/N) along each axis,
// the lowest frequency first. Elements of opposite frequencies are exactly conjugate.
func spectrum(dev Device, x device.Tensor) (re, im device.Tensor) {
	re, im = dev.Alloc(x.Shape), dev.Alloc(x.Shape)
	c, s := fourier(x.W)
	along(dev, set(re), x, c, 2)
	along(dev, set(im), x, s.negative(), 2)
	re2, im2 := dev.Alloc(x.Shape), dev.Alloc(x.Shape)
	for _, axis := range []int{1, 0} {
		c, s := fourier(x.Grid()[axis])
		up := []device.Tensor{}
		for _, m := range []matrix{c, s, s.negative()} {
			up = append(up, upload(dev, device.Matrix(m.rows, m.cols), m.a))
		}
		dev.AlongAxis(set(re2), re, up[0], axis)
		dev.AlongAxis(add(re2), im, up[1], axis)
		dev.AlongAxis(set(im2), im, up[0], axis)
		dev.AlongAxis(add(im2), re, up[2], axis)
		for _, t := range up {
			dev.Free(t)
		}
		re, re2, im, im2 = re2, re, im2, im
	}
	dev.Free(im2)
	dev.Free(re2)
	return re, im
}

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
	return fmt.Sprintf("motion, %s", text.Plural(len(m.Times), "movement"))
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
