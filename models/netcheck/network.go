package netcheck

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/layers"
	"voxgrad/models"
)

// Row is one line of the table that a check prints.
type Row struct {
	Name  string  // network, up, mode, and what was compared
	Worst string  // where the largest error was; "" if there is only one place
	Error float64 // relative, see the check
	Bound float64
	OK    bool // Error ≤ Bound; false also for NaN
}

func row(name, worst string, err, bound float64) Row {
	return Row{Name: name, Worst: worst, Error: err, Bound: bound, OK: err <= bound}
}

// network is one of the networks that are checked.
type network struct {
	models.Config
	frozen bool // encoder
	mode   layers.Mode
}

// networks has every kind, both ups, all modes.
func networks() []network {
	small := func(kind, up string, width int, dropout float64) models.Config {
		c := models.Default(kind)
		c.Up, c.Width, c.Dropout = up, width, dropout
		return c
	}
	instance := small(models.Detector, layers.Transposed, 2, 0.5)
	instance.Norm = layers.Instance
	return []network{
		{Config: small(models.Segmenter, layers.Transposed, 2, 0.5), mode: layers.Train},
		{Config: small(models.Segmenter, layers.Trilinear, 3, 0), mode: layers.Train},
		{Config: small(models.Segmenter, layers.Transposed, 2, 0.5), mode: layers.Eval},
		{Config: small(models.Detector, layers.Trilinear, 2, 0.5), mode: layers.Train},
		{Config: small(models.Detector, layers.Transposed, 2, 0.5), mode: layers.Train, frozen: true},
		{Config: small(models.Inpainter, layers.Trilinear, 2, 0), mode: layers.Train},
		{Config: small(models.Generator, layers.Transposed, 2, 0), mode: layers.Train},
		{Config: instance, mode: layers.Train},
	}
}

// Rows is how many rows Differences and Agreement have together.
func Rows() int { return (1 + 4) * len(networks()) }

func (n network) String() string {
	s := fmt.Sprintf("%s, %s, %v", n.Kind, n.Up, n.mode)
	if n.frozen {
		s += ", frozen encoder"
	}
	if n.Norm == layers.Instance {
		s += ", instance norm"
	}
	return s
}

const seed = 20220825

// grid is small; the deepest norm still has four values per channel.
var grid = device.Shape{N: 2, D: 16, H: 8, W: 8}

// example is a network on a device with everything that it needs for a step.
// The numbers depend only on the network: two devices get the same.
type example struct {
	dev    device.Backend
	net    *models.Net
	images []*autograd.Var
	target *autograd.Var
}

func (n network) on(dev device.Backend) (*example, error) {
	net, err := models.New(dev, n.Config, seed)
	if err != nil {
		return nil, err
	}
	e := &example{dev: dev, net: net}
	draw := rng.New(seed, n.String())
	for i := range net.TimePoints() {
		x := values(grid.WithC(net.Cin), func(int) float64 { return 1 + 0.5*draw.Normal() })
		image := autograd.Parameter(fmt.Sprint("image ", i+1), dev.Alloc(grid.WithC(net.Cin)))
		dev.Upload(image.Tensor, x)
		e.images = append(e.images, image)
	}
	var class int
	g := values(grid.WithC(net.Cout), func(i int) float64 {
		if net.Head() == models.Linear {
			return draw.Normal()
		}
		c := i % net.Cout
		if c == 0 {
			class = draw.Intn(net.Cout)
		}
		if c == class {
			return 1
		}
		return 0
	})
	e.target = autograd.Input(dev.Alloc(grid.WithC(net.Cout)))
	dev.Upload(e.target.Tensor, g)
	// Statistics other than 0 and 1, biases other than 0: or some mistakes would not show.
	for _, b := range net.Buffers() {
		dev.Upload(b.Tensor, values(b.Shape, func(int) float64 { return 0.5 + draw.Float64() }))
	}
	for _, p := range net.Params() {
		if p.Layout == layers.Vector {
			dev.Upload(p.Tensor, values(p.Shape, func(int) float64 { return 0.5 + draw.Normal()/4 }))
		}
	}
	if n.frozen {
		net.FreezeEncoder()
	}
	net.SetMode(n.mode)
	return e, dev.Sync()
}

// values are s.Len() numbers.
func values(s device.Shape, f func(i int) float64) []float32 {
	out := make([]float32, s.Len())
	for i := range out {
		out[i] = float32(f(i))
	}
	return out
}

func (e *example) free() {
	for _, v := range append(e.images, e.target) {
		v.FreeGrad(e.dev)
		e.dev.Free(v.Tensor)
	}
	e.net.Free()
}

// leaves are all Vars that may want a gradient.
func (e *example) leaves() []*autograd.Var {
	out := append([]*autograd.Var(nil), e.images...)
	for _, p := range e.net.Params() {
		out = append(out, p.Var)
	}
	return out
}

// loss is the network's own: soft Dice with some cross-entropy, or the mean
// squared error.
func (e *example) loss(t *autograd.Tape) *autograd.Var {
	y := e.net.Forward(t, e.images...)
	if e.net.Head() == models.Linear {
		return t.MSE(y, e.target)
	}
	loss, _ := t.DiceLoss(y, e.target, device.DiceOptions{Eps: 0.01, CrossEntropy: 0.1})
	return loss
}
