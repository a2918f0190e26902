package main

import (
	"embed"

	"voxgrad/autograd"
	"voxgrad/cuda"
	"voxgrad/cuda/driver"
	"voxgrad/device"
)

//go:generate go run voxgrad/tools/ptx -dir .
//go:embed *.ptx
var files embed.FS

// Ops are the kernels of prelu.cu on a device.
type Ops struct {
	dev    *cuda.Backend
	module *cuda.Module
}

// New loads the kernels.
func New(dev *cuda.Backend) (*Ops, error) {
	m, err := dev.Load(files, "prelu")
	return &Ops{dev, m}, err
}

// PReLU is x where that is positive and a·x elsewhere, with a slope a for each channel, shape [1 1 1 1 C]. What it
// returns carries a gradient to both.
func (o *Ops) PReLU(t *autograd.Tape, x, a *autograd.Var) *autograd.Var {
	if a.Shape != device.Vec(x.C) {
		panic("PReLU: one slope for each channel of x is wanted")
	}
	return t.Apply(autograd.Op{
		Name: "prelu", In: []*autograd.Var{x, a}, Out: []device.Shape{x.Shape}, SaveIn: []int{0, 1},
		Forward: func(out, in []device.Tensor) { o.forward(out[0], in[0], in[1]) },
		Reverse: func(s autograd.Saved, dy []device.Tensor, dx []device.Into) {
			o.gradX(dx[0], dy[0], s.In[0], s.In[1])
			o.gradA(dx[1], dy[0], s.In[0])
		},
	})[0]
}

func (o *Ops) forward(y, x, a device.Tensor) {
	o.module.Launch("PReLU", "prelu", cuda.PerElement(x.Len(), 1), y, x, a, x.Len(), x.C)
}

func (o *Ops) gradX(dx device.Into, dy, x, a device.Tensor) {
	if dx.Mode != device.Skip {
		o.module.Launch("PReLUGradX", "prelu_grad", cuda.PerElement(x.Len(), 1), dx, dy, x, a, x.Len(), x.C, dx.Mode == device.Add)
	}
}

// gradA adds in two steps, in an order that depends on the shape alone: the same bits every time.
func (o *Ops) gradA(da device.Into, dy, x device.Tensor) {
	if da.Mode == device.Skip {
		return
	}
	blocks := min((x.Rows()+63)/64, 256)
	sums := o.dev.Alloc(device.Matrix(blocks, x.C)) // a workspace: freed behind its last use, reused by later calls
	defer o.dev.Free(sums)
	o.module.Launch("PReLUGradA", "prelu_slopes", driver.Launch{
		Grid: driver.Dim{X: blocks, Y: (x.C + 31) / 32, Z: 1}, Block: driver.Dim{X: 32, Y: 8, Z: 1},
	}, sums, dy, x, x.Rows(), x.C)
	o.module.Launch("PReLUGradA", "prelu_slopes_total", cuda.PerElement(x.C, 1), da, sums, blocks, x.C, da.Mode == device.Add)
}
