package netcheck

import (
	"voxgrad/autograd"
	"voxgrad/autograd/gradcheck"
	"voxgrad/device/ref"
)

// Differences compares gradients with central differences, on the oracle in
// float64: for every network and each of its parameters and images, the slope of
// Σ r·y along a random direction, r random and y the network's output. each sees a row as
// soon as there is one, and ends the check with an error of its own.
func Differences(each func(Row) error) error {
	for _, n := range networks() {
		r, err := n.differences()
		if err == nil {
			err = each(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// slopes has short steps: a network has thousands of ReLUs and maxima, and one that
// changes sides within a step spoils the difference.
var slopes = gradcheck.Options{Steps: []float64{1e-6, 1e-7, 1e-8}, Elements: -1, Directions: 1, Relative: 1e-5, Key: seed, Seed: seed, Slopes: true}

func (n network) differences() (Row, error) {
	dev := ref.New[float64]()
	e, err := n.on(dev)
	if err != nil {
		return Row{}, err
	}
	defer e.free()
	var inputs []*autograd.Var
	for _, v := range e.leaves() {
		if v.WantsGrad() {
			inputs = append(inputs, v)
		}
	}
	rep, err := gradcheck.Run(dev, func(t *autograd.Tape) *autograd.Var { return e.net.Forward(t, e.images...) }, inputs, slopes)
	if err != nil && rep.Slopes == 0 {
		return Row{}, err
	}
	return row(n.String(), rep.Input, rep.Error, rep.Bound), nil
}
