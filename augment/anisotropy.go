package augment

import (
	"fmt"
	"math"

	"voxgrad/device"
)

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
	// TorchIO does so too, but a centre beyond the image gives 0, as in TorchIO, which
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
