package layers

import (
	"fmt"
	"math"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/par"
	"voxgrad/internal/rng"
)

// Param is a parameter. It is trainable if its Var wants a gradient.
type Param struct {
	*autograd.Var
	Layout Layout
	std    float64 // of its initial values; 0: they all are mean
	mean   float32
}

// Trainable reports whether the parameter is to be trained.
func (p *Param) Trainable() bool { return p.WantsGrad() }

// Buffer is a named tensor that is saved with the parameters but not trained: a
// running mean or variance.
type Buffer struct {
	Name string
	device.Tensor
	start float32
}

// Net is the parameters and buffers of a network, in the order in which its
// layers were made.
type Net struct {
	Dev     device.Backend
	Params  []*Param
	Buffers []*Buffer
	names   map[string]bool
}

// NewNet is a network without layers.
func NewNet(dev device.Backend) *Net {
	return &Net{Dev: dev, names: map[string]bool{}}
}

// Scope is a place in a network: a path and the mode that its layers follow.
type Scope struct {
	net  *Net
	path string
	mode *Mode
}

// Scope is the root of the network's layers that follow mode.
func (n *Net) Scope(mode *Mode) Scope { return Scope{net: n, mode: mode} }

// In is the place called name below s.
func (s Scope) In(name string) Scope {
	if s.path != "" {
		name = s.path + "." + name
	}
	s.path = name
	return s
}

// claim is the full name of something at s, which must be new.
func (s Scope) claim(name string) string {
	name = s.In(name).path
	if s.net.names[name] {
		panic("layers: two parameters are called " + name)
	}
	s.net.names[name] = true
	return name
}

// constant makes a parameter that starts at v everywhere.
func (s Scope) constant(name string, shape device.Shape, v float32) *autograd.Var {
	return s.add(name, shape, Param{Layout: Vector, mean: v})
}

// normal makes a parameter that starts normally distributed with mean 0.
func (s Scope) normal(name string, shape device.Shape, layout Layout, std float64) *autograd.Var {
	return s.add(name, shape, Param{Layout: layout, std: std})
}

func (s Scope) add(name string, shape device.Shape, p Param) *autograd.Var {
	p.Var = autograd.Parameter(s.claim(name), s.net.Dev.Alloc(shape))
	s.net.Params = append(s.net.Params, &p)
	return p.Var
}

// buffer makes a buffer that starts at v everywhere.
func (s Scope) buffer(name string, shape device.Shape, v float32) device.Tensor {
	b := &Buffer{Name: s.claim(name), Tensor: s.net.Dev.Alloc(shape), start: v}
	s.net.Buffers = append(s.net.Buffers, b)
	return b.Tensor
}

// Init gives every parameter and buffer its initial value.
func (n *Net) Init(seed uint64) {
	values := make([][]float32, len(n.Params))
	par.For(len(n.Params), func(i int) {
		if p := n.Params[i]; p.std != 0 {
			values[i] = p.initial(seed)
		}
	})
	for i, p := range n.Params {
		if values[i] == nil {
			n.Dev.Fill(p.Tensor, p.mean)
		} else {
			n.Dev.Upload(p.Tensor, values[i])
		}
	}
	for _, b := range n.Buffers {
		n.Dev.Fill(b.Tensor, b.start)
	}
}

func (p *Param) initial(seed uint64) []float32 {
	stream := rng.New(seed, "init", p.Name)
	v := make([]float32, p.Len())
	for i := range v {
		v[i] = float32(p.std * stream.Normal())
	}
	return v
}

// ClearGrads forgets all gradients; call it before the first micro-batch of a step.
func (n *Net) ClearGrads() {
	for _, p := range n.Params {
		p.ClearGrad()
	}
}

// Count is the number of trainable and of all parameter values.
func (n *Net) Count() (trainable, all int) {
	for _, p := range n.Params {
		all += p.Len()
		if p.Trainable() {
			trainable += p.Len()
		}
	}
	return trainable, all
}

// Free gives all memory back. The network must not be used afterwards.
func (n *Net) Free() {
	for _, p := range n.Params {
		p.FreeGrad(n.Dev)
		n.Dev.Free(p.Tensor)
	}
	for _, b := range n.Buffers {
		n.Dev.Free(b.Tensor)
	}
	n.Params, n.Buffers = nil, nil
}

// he is the standard deviation that keeps the size of activations through a
// layer with fanIn inputs per output followed by a ReLU, which drops half of the
// variance (He et al., "Delving deep into rectifiers", ICCV 2015). Without a ReLU
// it is 1/√fanIn.
func he(fanIn int, relu bool) float64 {
	gain := 1.0
	if relu {
		gain = 2
	}
	return math.Sqrt(gain / float64(fanIn))
}

func (p *Param) String() string { return fmt.Sprintf("%s %v", p.Name, p.Layout.FileShape(p.Shape)) }
