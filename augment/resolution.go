package augment

import (
	"errors"
	"fmt"
	"math"

	"voxgrad/device"
)

// Truncate is where Gaussian kernels end, in standard deviations: scipy's default.
const Truncate = 4

// Triple is a value per axis. In JSON it may be one number for all three.
type Triple [3]float64

// Isotropic is the triple with one value three times.
func Isotropic(x float64) Triple { return Triple{x, x, x} }

func (t Triple) String() string {
	if t[0] == t[1] && t[1] == t[2] {
		return fmt.Sprintf("%.3g", t[0])
	}
	return fmt.Sprintf("%.3g × %.3g × %.3g", t[0], t[1], t[2])
}

// Blur is convolution with a Gaussian, separable, the image reflected at its
// borders: w[t] ∝ exp(−t²/2σ²) for |t| ≤ ⌊truncate·σ + ½⌋, as scipy's
// gaussian_filter and TorchIO's Blur.
type Blur struct {
	same
	Sigma    Triple  `json:"sigma_vox"` // standard deviation in voxels; 0 leaves an axis alone
	Truncate float64 `json:"truncate"`  // of the kernel, in standard deviations
}

// Name implements Transform.
func (Blur) Name() string { return "blur" }

func (b Blur) String() string { return fmt.Sprintf("blur, SD %v voxels", b.Sigma) }

// Check implements Transform.
func (b Blur) Check(size [3]int) error { return checked(b, b.valid(), size) }

func (b Blur) valid() error { return validGaussian(b.Sigma, b.Truncate) }

// maxRadius bounds kernels and thick slices in voxels, far above any use.
const maxRadius = 1e5

func validGaussian(sigma Triple, truncate float64) error {
	if !(truncate > 0) {
		return fmt.Errorf("truncate %g: must be above 0", truncate)
	}
	some := false
	for _, s := range sigma {
		if !(s >= 0) {
			return fmt.Errorf("sigma %v: standard deviations must be positive", sigma)
		}
		if !(s*truncate < maxRadius) {
			return fmt.Errorf("sigma %v: the kernel must reach less than %g voxels", sigma, maxRadius)
		}
		some = some || s > negligible
	}
	if !some {
		return fmt.Errorf("sigma %v: a standard deviation must be above 0", sigma)
	}
	return nil
}

// Apply implements Transform.
func (b Blur) Apply(dev Device, y, x device.Tensor) { gaussian(dev, y, x, b.Sigma, b.Truncate) }

// negligible is the standard deviation up to which scipy skips an axis.
const negligible = 1e-15

// gaussian blurs x along the axes with a standard deviation above 0; there is at least one.
func gaussian(dev Device, y, x device.Tensor, sigma Triple, truncate float64) {
	var axes []int
	for a, s := range sigma {
		if s > negligible {
			axes = append(axes, a)
		}
	}
	spare := y // between the axes, alternating with y
	if len(axes) > 1 {
		spare = dev.Alloc(x.Shape)
		defer dev.Free(spare)
	}
	from, to, next := x, spare, y
	if len(axes)%2 == 1 { // the last step must end in y
		to, next = y, spare
	}
	for _, a := range axes {
		w, lo := GaussianKernel(sigma[a], truncate)
		along(dev, set(to), from, window(x.Grid()[a], w, lo), a)
		from, to, next = to, next, to
	}
}

// GaussianKernel is Blur's kernel and the offset of its first weight.
func GaussianKernel(sigma, truncate float64) (w []float64, lo int) {
	r := int(truncate*sigma + 0.5)
	w = make([]float64, 2*r+1)
	sum := 0.0
	for i := range w {
		t := float64(i - r)
		w[i] = math.Exp(-t * t / (2 * sigma * sigma))
		sum += w[i]
	}
	for i := range w {
		w[i] /= sum
	}
	return w, -r
}

// Edge enhances edges by unsharp masking with the complement of Blur:
// y = x + amount·(x − blur(x)).
type Edge struct {
	same
	Sigma    Triple  `json:"sigma_vox"`
	Truncate float64 `json:"truncate"`
	Amount   float64 `json:"amount"`
}

// Name implements Transform.
func (Edge) Name() string { return "edge" }

func (e Edge) String() string {
	return fmt.Sprintf("edge enhancement, SD %v voxels, amount %.3g", e.Sigma, e.Amount)
}

// Check implements Transform.
func (e Edge) Check(size [3]int) error { return checked(e, e.valid(), size) }

func (e Edge) valid() error {
	if !(e.Amount > 0 && !math.IsInf(e.Amount, 0)) {
		return fmt.Errorf("amount %g: must be above 0", e.Amount)
	}
	return validGaussian(e.Sigma, e.Truncate)
}

// Apply implements Transform.
func (e Edge) Apply(dev Device, y, x device.Tensor) {
	gaussian(dev, y, x, e.Sigma, e.Truncate)
	dev.Blend(y, x, y, 1+e.Amount, -e.Amount)
}

// AxialMean is the mean over neighbours along one axis, the image reflected at its
// borders: y[k] = Σ_{t<size} x[k − ⌊size/2⌋ − origin + t]/size, as scipy's
// uniform_filter1d. An even size moves the content by half a voxel; origin −1 moves
// it the other way.
type AxialMean struct {
	same
	Axis   int `json:"axis"`
	Size   int `json:"size" need:"yes"`
	Origin int `json:"origin"`
}

// Name implements Transform.
func (AxialMean) Name() string { return "axial_mean" }

func (m AxialMean) String() string {
	return fmt.Sprintf("mean of %d voxels along %s", m.Size, axisName(m.Axis))
}

// Check implements Transform.
func (m AxialMean) Check(size [3]int) error { return checked(m, m.valid(), size) }

func (m AxialMean) valid() error {
	if m.Size < 1 || m.Size > maxRadius {
		return fmt.Errorf("size %d: must be at least 1 and at most %g", m.Size, maxRadius)
	}
	if at := m.Size/2 + m.Origin; at < 0 || at >= m.Size {
		return fmt.Errorf("origin %d: the window of %d voxels must hold the voxel itself", m.Origin, m.Size)
	}
	return validAxis(m.Axis)
}

// Apply implements Transform.
func (m AxialMean) Apply(dev Device, y, x device.Tensor) {
	w := make([]float64, m.Size)
	for i := range w {
		w[i] = 1 / float64(m.Size)
	}
	along(dev, set(y), x, window(x.Grid()[m.Axis], w, -(m.Size/2)-m.Origin), m.Axis)
}

func validAxis(axis int) error {
	if axis < 0 || axis > 2 {
		return fmt.Errorf("axis %d: must be 0, 1 or 2", axis)
	}
	return nil
}

func axisName(axis int) string { return [...]string{"x", "y", "z"}[axis] }

// finite is an error for NaN and infinities.
func finite(name string, values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errors.New(name + ": must be finite numbers")
		}
	}
	return nil
}

// Upsampling kinds of Anisotropy.
const (
	BSpline3 = "bspline3" // cubic B-spline interpolant, mirrored at the ends
	Linear   = "linear"
)

// AnisotropyKind is how Anisotropy leaves out planes.
type AnisotropyKind string

const (
	// Clamp takes the nearest voxel to the centre of each thick voxel.
	Clamp AnisotropyKind = "clamp"
	// TorchIO does so too, but a centre beyond the image is 0, as in TorchIO, which
	// darkens the last planes.
	TorchIO AnisotropyKind = "torchio"
	// Zoom is scipy's zoom, linear down and cubic up, end points aligned.
	Zoom AnisotropyKind = "zoom"
)

// Anisotropy imitates thick slices: a line of N voxels along an axis is sampled at
// n = ⌈N/factor⌉ centres c = (factor−1)/2 + m·factor without averaging, and
// interpolated back at u = (i+½)/factor − ½.
type Anisotropy struct {
	same
	Kind   AnisotropyKind `json:"-"`
	Axis   int            `json:"axis" need:"yes"`
	Factor float64        `json:"factor" need:"yes"`
	Up     string         `json:"up"` // BSpline3 or Linear
}

// Name implements Transform.
func (a Anisotropy) Name() string { return "anisotropy_" + string(a.Kind) }

func (a Anisotropy) String() string {
	return fmt.Sprintf("anisotropy (%s), factor %.3g along %s", a.Kind, a.Factor, axisName(a.Axis))
}

// Check implements Transform.
func (a Anisotropy) Check(size [3]int) error {
	err := a.valid()
	if err == nil && a.Kind == Zoom && a.zoomed(size[a.Axis]) < 1 {
		err = fmt.Errorf("factor %g: no voxel is left of %d along axis %d", a.Factor, size[a.Axis], a.Axis)
	}
	return checked(a, err, size)
}

func (a Anisotropy) valid() error {
	if !(a.Factor >= 1 && a.Factor <= maxRadius) {
		return fmt.Errorf("factor %g: must be at least 1 and at most %g", a.Factor, maxRadius)
	}
	switch {
	case a.Kind != Clamp && a.Kind != TorchIO && a.Kind != Zoom:
		return fmt.Errorf("there is no kind %q", a.Kind)
	case a.Kind == Zoom && a.Up != BSpline3:
		return fmt.Errorf("up %q: must be %q", a.Up, BSpline3)
	case a.Up != BSpline3 && a.Up != Linear:
		return fmt.Errorf("up %q: must be %q or %q", a.Up, BSpline3, Linear)
	}
	return validAxis(a.Axis)
}

// Apply implements Transform.
func (a Anisotropy) Apply(dev Device, y, x device.Tensor) {
	along(dev, set(y), x, a.matrix(x.Grid()[a.Axis]), a.Axis)
}

// matrix is sampling and interpolation of a line of n voxels in one.
func (a Anisotropy) matrix(n int) matrix {
	if a.Kind == Zoom {
		return a.zoom(n)
	}
	low := int(math.Ceil(float64(n) / a.Factor))
	at := make([]float64, n)
	for i := range at {
		at[i] = (float64(i)+0.5)/a.Factor - 0.5
	}
	var up matrix
	if a.Up == Linear {
		up = linearAt(at, low)
	} else {
		up = splineAt(at, low)
	}
	m := newMatrix(n, n)
	for k := range low {
		c := 0.5*(a.Factor-1) + float64(k)*a.Factor
		if a.Kind == TorchIO && c >= float64(n)-0.5 {
			continue
		}
		from := min(n-1, int(math.Floor(c+0.5)))
		for i := range n {
			m.row(i)[from] += up.row(i)[k]
		}
	}
	return m
}

// zoomed is the number of voxels that Zoom leaves of n.
func (a Anisotropy) zoomed(n int) int { return int(math.RoundToEven(float64(n) / a.Factor)) }

func (a Anisotropy) zoom(n int) matrix {
	low := a.zoomed(n)
	down := linearAt(evenly(low, n), n)
	up := splineAt(evenly(n, low), low)
	m := newMatrix(n, n)
	for i := range n {
		for k, u := range up.row(i) {
			for j, d := range down.row(k) {
				m.row(i)[j] += u * d
			}
		}
	}
	return m
}

// evenly is count positions from 0 to n−1, both included.
func evenly(count, n int) []float64 {
	at := make([]float64, count)
	for i := range at {
		if count > 1 {
			at[i] = float64(i) * float64(n-1) / float64(count-1)
		}
	}
	return at
}

// linearAt is the matrix of linear interpolation of n values at positions limited to [0, n−1].
func linearAt(at []float64, n int) matrix {
	m := newMatrix(len(at), n)
	for i, u := range at {
		u = min(max(u, 0), float64(n-1))
		b := min(int(u), max(n-2, 0))
		t := u - float64(b)
		m.row(i)[b] += 1 - t
		m.row(i)[min(b+1, n-1)] += t
	}
	return m
}
