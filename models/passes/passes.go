// Package passes is the passes of a network on one batch as cases of device/bench: inference, gradients, training steps.
package passes

import (
	"fmt"
	"strings"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/bench"
	"voxgrad/layers"
	"voxgrad/models"
)

// Names are the passes that there are.
var Names = []string{"Inference", "Gradient", "Step"}

// Cases are the passes of a network: inference, forward and reverse, and a
// whole training step. A detector's encoder is frozen, as it trains.
func Cases(c models.Config, s bench.Shapes) (all []bench.Case) {
	for _, name := range Names {
		all = append(all, bench.Case{
			Name: fmt.Sprintf("%s/%s/up=%s/width=%d/patch=%d/batch=%d", name, c.Kind, c.Up, c.Width, s.Patch, s.Batch),
			Open: func(dev device.Backend) (run, closeCase func(), err error) {
				n, err := Open(dev, c, s)
				if err != nil {
					return nil, nil, err
				}
				return n.Pass(name), n.Close, dev.Sync()
			}})
	}
	return all
}

// Pass is one of Names, which may be made any number of times.
func (n *Network) Pass(name string) func() {
	if name == "Inference" {
		n.Net.SetMode(layers.Eval)
		return n.infer
	}
	if name == "Step" {
		n.train()
	}
	return func() {
		device.Graph(n.dev, func() {
			t := n.tape()
			defer t.Close()
			n.gradient(t)
			if n.adam != nil {
				n.adam.Update()
			}
		})
	}
}

// Network is a network with a batch.
type Network struct {
	Net *models.Net

	dev    device.Backend
	adam   *layers.Adam
	images []device.Tensor
	target device.Tensor
	passes uint64
}

// Open makes a network and a batch of made-up images and lesions, the same on every device.
func Open(dev device.Backend, c models.Config, s bench.Shapes) (*Network, error) {
	net, err := models.New(dev, c, 1)
	if err != nil {
		return nil, err
	}
	if c.Kind == models.Detector {
		net.FreezeEncoder()
	}
	n := &Network{Net: net, dev: dev}
	x := device.Shape{N: s.Batch, D: s.Patch, H: s.Patch, W: s.Patch, C: c.Cin}
	values := make([]float32, x.Len())
	for i := range values {
		values[i] = float32(i*2654435761>>8&0xffff) / (1 << 16)
	}
	for range c.TimePoints() {
		image := dev.Alloc(x)
		dev.Upload(image, values)
		n.images = append(n.images, image)
	}
	n.target = dev.Alloc(x.WithC(c.Cout))
	target := make([]float32, n.target.Len())
	for i := range x.Rows() {
		class := 0
		if values[i*c.Cin] > 0.9 {
			class = 1
		}
		target[i*c.Cout+class] = 1
	}
	dev.Upload(n.target, target)
	if err := dev.Sync(); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Network) inputs() (x []*autograd.Var) {
	for _, im := range n.images {
		x = append(x, autograd.Input(im))
	}
	return x
}

func (n *Network) infer() {
	t := autograd.NewInference(n.dev)
	defer t.Close()
	t.Softmax(n.Net.Forward(t, n.inputs()...))
}

// gradient leaves the loss, the soft Dice, on the tape.
func (n *Network) gradient(t *autograd.Tape) *autograd.Var {
	n.Net.ClearGrads()
	loss, _ := t.DiceLoss(n.Net.Forward(t, n.inputs()...), autograd.Input(n.target), device.DiceOptions{Eps: 0.01})
	t.Backward(loss)
	return loss
}

// tape is that of the next pass.
func (n *Network) tape() *autograd.Tape {
	n.passes++
	return autograd.New(n.dev, n.passes)
}

// Step is a training step, forward, reverse and Adam. It returns the loss, on its way to the host.
func (n *Network) Step() device.Fetched {
	n.train()
	t := n.tape()
	defer t.Close()
	var loss *autograd.Var
	device.Graph(n.dev, func() {
		loss = n.gradient(t)
		n.adam.Update()
	})
	return t.Fetch([]*autograd.Var{loss})
}

func (n *Network) train() {
	if n.adam == nil {
		n.adam = n.Net.Adam(1e-4)
	}
}

// Layer is the layer whose parameter, or gradient of one, is in some memory; "" if there is none.
func (n *Network) Layer(m device.Mem) string {
	for _, p := range n.Net.Params() {
		if p.Mem == m || p.Grad().Mem == m {
			return p.Name[:max(0, strings.LastIndexByte(p.Name, '.'))]
		}
	}
	return ""
}

// Close frees.
func (n *Network) Close() {
	for _, im := range n.images {
		n.dev.Free(im)
	}
	n.dev.Free(n.target)
	if n.adam != nil {
		n.adam.Free()
	}
	n.Net.Free()
}
