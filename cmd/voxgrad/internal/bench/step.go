package bench

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/bench"
	"voxgrad/layers"
	"voxgrad/models"
)

// stepCases are the passes of a network: inference, forward and reverse, and a
// whole training step. A detector's encoder is frozen, as it trains.
func stepCases(c models.Config, s bench.Shapes) []bench.Case {
	name := fmt.Sprintf("%s/up=%s/width=%d/patch=%d/batch=%d", c.Kind, c.Up, c.Width, s.Patch, s.Batch)
	return []bench.Case{
		{Name: "Inference/" + name, Open: func(dev device.Backend) (run, closeCase func(), err error) {
			n, err := openStep(dev, c, s)
			if err != nil {
				return nil, nil, err
			}
			n.net.SetMode(layers.Eval)
			return n.infer, n.close, nil
		}},
		{Name: "Gradient/" + name, Open: func(dev device.Backend) (run, closeCase func(), err error) {
			n, err := openStep(dev, c, s)
			if err != nil {
				return nil, nil, err
			}
			return func() { device.Graph(dev, n.gradient) }, n.close, nil
		}},
		{Name: "Step/" + name, Open: func(dev device.Backend) (run, closeCase func(), err error) {
			n, err := openStep(dev, c, s)
			if err != nil {
				return nil, nil, err
			}
			n.adam = n.net.Adam(1e-4)
			return func() { device.Graph(dev, func() { n.gradient(); n.adam.Update() }) }, n.close, dev.Sync()
		}},
	}
}

// stepNet is a network with a batch.
type stepNet struct {
	dev    device.Backend
	net    *models.Net
	adam   *layers.Adam
	images []device.Tensor
	target device.Tensor
	passes uint64
}

func openStep(dev device.Backend, c models.Config, s bench.Shapes) (*stepNet, error) {
	net, err := models.New(dev, c, 1)
	if err != nil {
		return nil, err
	}
	if c.Kind == models.Detector {
		net.FreezeEncoder()
	}
	n := &stepNet{dev: dev, net: net}
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
		n.close()
		return nil, err
	}
	return n, nil
}

func (n *stepNet) inputs() (x []*autograd.Var) {
	for _, im := range n.images {
		x = append(x, autograd.Input(im))
	}
	return x
}

func (n *stepNet) infer() {
	t := autograd.NewInference(n.dev)
	defer t.Close()
	t.Softmax(n.net.Forward(t, n.inputs()...))
}

func (n *stepNet) gradient() {
	n.passes++
	t := autograd.New(n.dev, n.passes)
	defer t.Close()
	n.net.ClearGrads()
	loss, _ := t.DiceLoss(n.net.Forward(t, n.inputs()...), autograd.Input(n.target), device.DiceOptions{Eps: 0.01})
	t.Backward(loss)
}

func (n *stepNet) close() {
	for _, im := range n.images {
		n.dev.Free(im)
	}
	n.dev.Free(n.target)
	if n.adam != nil {
		n.adam.Free()
	}
	n.net.Free()
}
