package gradcheck

import (
	"math"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/internal/rng"
)

// Differences compares gradients with central differences, on the oracle in
// float64: for every network and each of its parameters and images, the slope of
// Σ r·y along a random direction, r random and y the network's output. A plain sum
// of y would be blind to norms. The error of a parameter is the difference of the two
// slopes over the size of the gradient; parameters whose gradient is nearly zero
// (a bias in front of a norm) are measured against the largest one's. each, if not nil,
// sees a row as soon as there is one.
func Differences(each func(Row)) ([]Row, error) {
	var rows []Row
	for _, n := range networks() {
		r, err := n.differences()
		if err != nil {
			return rows, err
		}
		rows = append(rows, r)
		if each != nil {
			each(r)
		}
	}
	return rows, nil
}

const (
	differenceBound = 1e-5
	tinyGradient    = 1e-4 // of the largest
)

// Where a ReLU or a maximum changes sides within a step, the difference is not
// the slope: then a shorter step is tried. A wrong gradient is wrong at each.
var differenceSteps = []float64{1e-6, 1e-7, 1e-8}

func (n network) differences() (Row, error) {
	dev := ref.New[float64]()
	e, err := n.on(dev)
	if err != nil {
		return Row{}, err
	}
	defer e.free()
	draw := rng.New(seed, "directions", n.String())
	upstream := dev.Alloc(grid.WithC(e.net.Cout))
	for i := range dev.Data(upstream) {
		dev.Data(upstream)[i] = draw.Normal()
	}
	t := autograd.New(dev, seed)
	t.BackwardFrom(e.net.Forward(t, e.images...), upstream)
	t.Close()

	var largest float64
	for _, v := range e.leaves() {
		if g := v.Grad(); !g.None() {
			largest = max(largest, norm(dev.Data(g)))
		}
	}
	var worst float64
	var where string
	for _, v := range e.leaves() {
		g := v.Grad()
		if g.None() {
			if v.WantsGrad() {
				return row(n.String(), v.Name+" got no gradient", math.Inf(1), differenceBound), nil
			}
			continue
		}
		direction := make([]float64, v.Len())
		var slope float64
		for i := range direction {
			direction[i] = draw.Normal()
			slope += direction[i] * dev.Data(g)[i]
		}
		relative := math.Inf(1)
		for _, h := range differenceSteps {
			measured := e.slope(dev, v, direction, upstream, h)
			relative = min(relative, math.Abs(measured-slope)/max(norm(dev.Data(g)), tinyGradient*largest))
			if relative <= differenceBound {
				break
			}
		}
		if !(relative <= worst) {
			worst, where = relative, v.Name
		}
	}
	return row(n.String(), where, worst, differenceBound), nil
}

// slope is the change of Σ upstream·y when v moves along direction, over ±h.
func (e *example) slope(dev *ref.Backend[float64], v *autograd.Var, direction []float64, upstream device.Tensor, h float64) float64 {
	x := dev.Data(v.Tensor)
	keep := append([]float64(nil), x...)
	defer copy(x, keep)
	at := func(h float64) (s float64) {
		for i := range x {
			x[i] = keep[i] + h*direction[i]
		}
		t := autograd.New(dev, seed) // records, so that dropout and norms do as before
		defer t.Close()
		for i, y := range dev.Data(e.net.Forward(t, e.images...).Tensor) {
			s += y * dev.Data(upstream)[i]
		}
		return s
	}
	return (at(h) - at(-h)) / (2 * h)
}

func norm(x []float64) float64 {
	var s float64
	for _, v := range x {
		s += v * v
	}
	return math.Sqrt(s)
}
