package augment

import (
	"fmt"
	"math"

	"voxgrad/device"
)

// Slices takes an image in slices, thicker or further apart than its voxels, and interpolates them back: slice m is
// the mean over [c − t/2, c + t/2] along the axis, c = Start + m·Step − ½ and t the thickness, all in
// voxels, the voxels being boxes; beyond the ends of the line its last values go on. Unlike Anisotropy it averages
// as scanners do, and leaves gaps where Step is above the thickness.
type Slices struct {
	same
	Axis      int     `json:"axis" need:"yes"`
	Thickness float64 `json:"thickness_vox" need:"yes"`
	Step      float64 `json:"step_vox" need:"yes"`
	Start     float64 `json:"start_vox"` // from the line's beginning to the centre of the first slice
	Up        string  `json:"up"`        // BSpline3 or Linear
}

// Name implements Transform.
func (Slices) Name() string { return "slices" }

func (t Slices) String() string {
	return fmt.Sprintf("slices of %.3g voxels, %.3g apart, along %s", t.Thickness, t.Step, axisName(t.Axis))
}

// Check implements Transform.
func (t Slices) Check(size [3]int) error { return checked(t, t.valid(), size) }

func (t Slices) valid() error {
	switch {
	case !(t.Thickness > 0 && t.Thickness <= maxRadius):
		return fmt.Errorf("thickness %g: must be above 0 and at most %g", t.Thickness, maxRadius)
	case !(t.Step >= 0.05 && t.Step <= maxRadius):
		return fmt.Errorf("step %g: must be at least 0.05 and at most %g", t.Step, maxRadius)
	case !(t.Start >= 0 && t.Start <= t.Step):
		return fmt.Errorf("start %g: must be from 0 to the step", t.Start)
	case t.Up != BSpline3 && t.Up != Linear:
		return fmt.Errorf("up %q: must be %q or %q", t.Up, BSpline3, Linear)
	}
	return validAxis(t.Axis)
}

// Apply implements Transform.
func (t Slices) Apply(dev Device, y, x device.Tensor) {
	along(dev, set(y), x, t.matrix(x.Grid()[t.Axis]), t.Axis)
}

// matrix is averaging and interpolation of a line of n voxels in one.
func (t Slices) matrix(n int) matrix {
	count := max(int(math.Ceil((float64(n)-t.Start)/t.Step)), 1)
	down := newMatrix(count, n)
	for m := range count {
		c := t.Start + float64(m)*t.Step // from the line's beginning, voxel i being [i, i+1]
		lo, hi := c-t.Thickness/2, c+t.Thickness/2
		row := down.row(m)
		for i := int(math.Floor(lo)); float64(i) < hi; i++ {
			share := min(hi, float64(i+1)) - max(lo, float64(i))
			row[min(max(i, 0), n-1)] += share / t.Thickness
		}
	}
	at := make([]float64, n)
	for i := range at {
		at[i] = (float64(i) + 0.5 - t.Start) / t.Step
	}
	var up matrix
	if t.Up == Linear {
		up = linearAt(at, count)
	} else {
		for i, u := range at { // beyond the outer slices theirs goes on
			at[i] = min(max(u, 0), float64(count-1))
		}
		up = splineAt(at, count)
	}
	out := newMatrix(n, n)
	for i := range n {
		for m, u := range up.row(i) {
			if u == 0 {
				continue
			}
			for j, d := range down.row(m) {
				out.row(i)[j] += u * d
			}
		}
	}
	return out
}
