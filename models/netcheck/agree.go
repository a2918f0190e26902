package netcheck

import (
	"math"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/ref"
	"voxgrad/layers"
	"voxgrad/models"
)

// Bounds are how far a device may be from the oracle.
type Bounds struct {
	Eval  float64 // probabilities in evaluation
	Train float64 // logits and intensities, of the largest if that is above 1
	Grad  float64 // a parameter's gradient, of its norm
	Floor float64 // added to that norm, over Grad: gradients that are truly zero
	Loss  float64 // after Steps updates
}

// FP32 are the bounds of devices that compute in fp32.
var FP32 = Bounds{Eval: 1e-6, Train: 1e-5, Grad: 1e-4, Floor: 1e-6, Loss: 1e-3}

// Steps is the number of updates after which losses are compared.
const Steps = 3

// Agreement runs every network on dev and on the oracle in float64, with the same
// numbers, and compares outputs, gradients and the loss after a few updates. each sees every
// row, and ends the check with an error of its own.
func Agreement(dev device.Backend, b Bounds, each func(Row) error) error {
	for _, n := range networks() {
		want, err := n.answers(ref.New[float64]())
		if err != nil {
			return err
		}
		got, err := n.answers(dev)
		if err != nil {
			return err
		}
		for _, r := range got.compare(want, n.String(), b) {
			if err := each(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// answers is what a device makes of a network.
type answers struct {
	eval, train []float64
	linear      bool // eval holds intensities, not probabilities
	names       []string
	grads       [][]float64
	loss        float64
}

func (n network) answers(dev device.Backend) (*answers, error) {
	e, err := n.on(dev)
	if err != nil {
		return nil, err
	}
	defer e.free()
	a := new(answers)
	e.net.SetMode(layers.Eval)
	t := autograd.NewInference(dev)
	y := e.net.Forward(t, e.images...)
	if a.linear = e.net.Head() == models.Linear; !a.linear {
		y = t.Softmax(y)
	}
	a.eval = download(dev, y.Tensor)
	t.Close()

	e.net.SetMode(n.mode)
	adam := e.net.Adam(1e-3)
	defer adam.Free()
	for step := range Steps + 1 {
		t := autograd.New(dev, seed+uint64(step))
		if step == 0 {
			y := e.net.Forward(t, e.images...)
			a.train = download(dev, y.Tensor)
			t.Close()
			t = autograd.New(dev, seed)
		}
		loss := e.loss(t)
		a.loss = download(dev, loss.Tensor)[0]
		e.net.ClearGrads()
		t.Backward(loss)
		if step == 0 {
			for _, v := range e.leaves() {
				if g := v.Grad(); !g.None() {
					a.names = append(a.names, v.Name)
					a.grads = append(a.grads, download(dev, g))
				}
			}
		}
		adam.Update()
		t.Close()
	}
	return a, dev.Sync()
}

// compare returns one row each for outputs, gradients and loss.
func (a *answers) compare(want *answers, name string, b Bounds) []Row {
	evalErr, trainErr := distance(a.eval, want.eval), distance(a.train, want.train)
	evalBound := b.Eval
	if a.linear {
		evalBound = b.Train
	}
	var worst float64
	var where string
	if len(a.grads) != len(want.grads) {
		worst, where = math.Inf(1), "the number of gradients"
	} else {
		for i, g := range a.grads {
			diff := make([]float64, len(g))
			for j := range g {
				diff[j] = g[j] - want.grads[i][j]
			}
			relative := norm(diff) / (norm(want.grads[i]) + b.Floor/b.Grad)
			if !(relative <= worst) {
				worst, where = relative, a.names[i]
			}
		}
	}
	return []Row{
		row("output in eval: "+name, "", evalErr, evalBound),
		row("output in "+name, "", trainErr, b.Train),
		row("gradients: "+name, where, worst, b.Grad),
		row("loss after updates: "+name, "", math.Abs(a.loss-want.loss), b.Loss),
	}
}

// distance is the largest difference over the largest value, or over 1.
func distance(x, want []float64) float64 {
	var diff float64
	size := 1.0
	for i, w := range want {
		if d := math.Abs(x[i] - w); !(d <= diff) {
			diff = d
		}
		size = max(size, math.Abs(w))
	}
	return diff / size
}

// download returns a tensor with all its digits.
func download(dev device.Backend, x device.Tensor) []float64 {
	if r, ok := dev.(*ref.Backend[float64]); ok {
		return append([]float64(nil), r.Data(x)...)
	}
	f := make([]float32, x.Len())
	dev.Download(f, x)
	out := make([]float64, len(f))
	for i, v := range f {
		out[i] = float64(v)
	}
	return out
}

func norm(x []float64) float64 {
	var s float64
	for _, v := range x {
		s += v * v
	}
	return math.Sqrt(s)
}
