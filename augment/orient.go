package augment

import (
	"fmt"
	"strings"

	"voxgrad/device"
)

// Flip mirrors the image along axes.
type Flip struct {
	same
	Axes []int `json:"axes" need:"yes"`
}

// Name implements Transform.
func (Flip) Name() string { return "flip" }

func (f Flip) String() string {
	var names []string
	for _, a := range f.Axes {
		names = append(names, axisName(a))
	}
	return "flip along " + strings.Join(names, ", ")
}

// Check implements Transform.
func (f Flip) Check(size [3]int) error { return checked(f, f.valid(), size) }

func (f Flip) valid() error {
	var seen [3]bool
	for _, a := range f.Axes {
		if err := validAxis(a); err != nil {
			return err
		}
		if seen[a] {
			return fmt.Errorf("axes %v: each axis may be named once", f.Axes)
		}
		seen[a] = true
	}
	if len(f.Axes) == 0 {
		return fmt.Errorf("axes: name at least one of 0, 1 and 2")
	}
	return nil
}

// Apply implements Transform.
func (f Flip) Apply(dev Device, y, x device.Tensor) {
	var flip [3]bool
	for _, a := range f.Axes {
		flip[a] = true
	}
	dev.Orient(y, x, [3]int{0, 1, 2}, flip)
}

// Rot90 turns the image by K right angles in the plane of two axes, from the first
// towards the second, as numpy's rot90.
type Rot90 struct {
	K    int    `json:"k"`
	Axes [2]int `json:"axes" need:"yes"`
}

// Name implements Transform.
func (Rot90) Name() string { return "rot90" }

func (r Rot90) String() string {
	return fmt.Sprintf("rotation by %d° from %s to %s", 90*modulo(r.K, 4), axisName(r.Axes[0]), axisName(r.Axes[1]))
}

// Check implements Transform.
func (r Rot90) Check(size [3]int) error { return checked(r, r.valid(), size) }

func (r Rot90) valid() error {
	for _, a := range r.Axes {
		if err := validAxis(a); err != nil {
			return err
		}
	}
	if r.Axes[0] == r.Axes[1] {
		return fmt.Errorf("axes %v: must be two different ones", r.Axes)
	}
	return nil
}

func (r Rot90) orient() Orient {
	o := Orient{Perm: [3]int{0, 1, 2}}
	a, b := r.Axes[0], r.Axes[1]
	switch modulo(r.K, 4) {
	case 1:
		o.Perm[a], o.Perm[b], o.Flip[a] = b, a, true
	case 2:
		o.Flip[a], o.Flip[b] = true, true
	case 3:
		o.Perm[a], o.Perm[b], o.Flip[b] = b, a, true
	}
	return o
}

// OutSize implements Transform.
func (r Rot90) OutSize(size [3]int) [3]int { return r.orient().OutSize(size) }

// Apply implements Transform.
func (r Rot90) Apply(dev Device, y, x device.Tensor) { r.orient().Apply(dev, y, x) }

// Orient is any exchange and mirroring of axes: y[i] = x[j] with j[perm[a]] = i[a],
// counted from the other end where flip[a].
type Orient struct {
	Perm [3]int  `json:"perm" need:"yes"`
	Flip [3]bool `json:"flip" need:"yes"`
}

// Name implements Transform.
func (Orient) Name() string { return "orient" }

func (o Orient) String() string {
	if o.Perm == [3]int{0, 1, 2} {
		var f Flip
		for a, flip := range o.Flip {
			if flip {
				f.Axes = append(f.Axes, a)
			}
		}
		if f.Axes == nil {
			return "the same orientation"
		}
		return f.String()
	}
	var axes []string
	for a, p := range o.Perm {
		sign := "+"
		if o.Flip[a] {
			sign = "−"
		}
		axes = append(axes, sign+axisName(p))
	}
	return "axes in the order " + strings.Join(axes, ", ")
}

// Check implements Transform.
func (o Orient) Check(size [3]int) error { return checked(o, o.valid(), size) }

func (o Orient) valid() error {
	var seen [3]bool
	for _, p := range o.Perm {
		if p < 0 || p > 2 || seen[p] {
			return fmt.Errorf("perm %v: must hold 0, 1 and 2 once each", o.Perm)
		}
		seen[p] = true
	}
	return nil
}

// OutSize implements Transform.
func (o Orient) OutSize(size [3]int) (out [3]int) {
	for a, p := range o.Perm {
		out[a] = size[p]
	}
	return out
}

// Apply implements Transform.
func (o Orient) Apply(dev Device, y, x device.Tensor) { dev.Orient(y, x, o.Perm, o.Flip) }
