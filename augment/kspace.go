package augment

import (
	"fmt"
	"math"
	"slices"

	"voxgrad/device"
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
	return fmt.Sprintf("%d spikes, intensity %.3g", len(s.Positions), s.Intensity)
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
