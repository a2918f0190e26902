package layers

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/par"
	"voxgrad/internal/rng"
)

// Net is the parameters and buffers of a network, in the order in which its
// layers were made. A network embeds one and adds its Forward.
type Net struct {
	dev     device.Backend
	params  []*Param
	buffers []*Buffer
	names   map[string]bool
	mode    Mode
}

// Param is a parameter: a Var with the order of its elements in a file. It is
// trainable if a gradient is wanted of it.
type Param struct {
	*autograd.Var
	Layout Layout
	init   Init
}

// Trainable reports whether the parameter is to be trained.
func (p *Param) Trainable() bool { return p.WantsGrad() }

// String is the name and the shape in a file: "conv1.weight [24 1 3 3 3]".
func (p *Param) String() string { return fmt.Sprintf("%s %v", p.Name, p.Layout.FileShape(p.Shape)) }

// Buffer is a named tensor that is saved with the parameters but not trained: a
// running mean or variance.
type Buffer struct {
	Name string
	device.Tensor
	Layout Layout
	init   Init
}

// NewNet is a network without layers, in Train mode.
func NewNet(dev device.Backend) *Net {
	return &Net{dev: dev, names: map[string]bool{}}
}

// Device is where the network lives.
func (n *Net) Device() device.Backend { return n.dev }

// Params are the parameters in a fixed order, frozen ones included.
func (n *Net) Params() []*Param { return n.params }

// Buffers are the buffers in a fixed order.
func (n *Net) Buffers() []*Buffer { return n.buffers }

// Mode is how the network's layers behave.
func (n *Net) Mode() Mode { return n.mode }

// SetMode switches all layers but those that follow another mode (Scope.Follow).
func (n *Net) SetMode(m Mode) { n.mode = m }

// Init sets every parameter and buffer to its initial value. Its random numbers
// depend on the seed and on the tensor's name alone.
func (n *Net) Init(seed uint64) {
	values := make([][]float32, len(n.params)+len(n.buffers))
	par.For(len(values), func(i int) {
		if i < len(n.params) {
			p := n.params[i]
			values[i] = p.init.values(seed, p.Name, p.Shape)
		} else {
			b := n.buffers[i-len(n.params)]
			values[i] = b.init.values(seed, b.Name, b.Shape)
		}
	})
	for i, p := range n.params {
		n.dev.Upload(p.Tensor, values[i])
	}
	for i, b := range n.buffers {
		n.dev.Upload(b.Tensor, values[len(n.params)+i])
	}
}

func (f Init) values(seed uint64, name string, s device.Shape) []float32 {
	v := make([]float32, s.Len())
	f(v, rng.New(seed, "init", name))
	return v
}

// ClearGrads forgets all gradients; call it before the first micro-batch of a step.
func (n *Net) ClearGrads() {
	for _, p := range n.params {
		p.ClearGrad()
	}
}

// Count is the number of trainable and of all parameter values.
func (n *Net) Count() (trainable, all int) {
	for _, p := range n.params {
		all += p.Len()
		if p.Trainable() {
			trainable += p.Len()
		}
	}
	return trainable, all
}

// Free frees all memory. The network must not be used afterwards.
func (n *Net) Free() {
	for _, p := range n.params {
		p.FreeGrad(n.dev)
		n.dev.Free(p.Tensor)
	}
	for _, b := range n.buffers {
		n.dev.Free(b.Tensor)
	}
	n.params, n.buffers = nil, nil
}

// Mode is how layers behave that differ between training and use.
type Mode uint8

const (
	// Train: batch statistics, which also move the running ones; dropout.
	Train Mode = iota
	// Eval: running statistics, no dropout.
	Eval
	// Frozen: as Eval, for good; its parameters want no gradient. An encoder taken
	// from another network stays Frozen while the rest trains.
	Frozen
)

func (m Mode) String() string { return [...]string{"train", "eval", "frozen"}[m] }

// Scope is a place in a network: a path, by which what is made there is called,
// and the mode that its layers follow. A layer keeps its Scope.
type Scope struct {
	net  *Net
	path string
	mode *Mode
}

// Scope is the root of the network, whose layers follow its SetMode.
func (n *Net) Scope() Scope { return Scope{net: n, mode: &n.mode} }

// In is the place called name below s.
func (s Scope) In(name string) Scope {
	if s.path != "" {
		name = s.path + "." + name
	}
	s.path = name
	return s
}

// Follow is s with layers that follow m instead: an encoder that stays Frozen.
func (s Scope) Follow(m *Mode) Scope {
	s.mode = m
	return s
}

// Path is "block.conv", for Tape.At and Tape.RandomKey.
func (s Scope) Path() string { return s.path }

// Mode is the mode that layers at s follow, at this moment.
func (s Scope) Mode() Mode { return *s.mode }

// Param makes the parameter s.name. Its elements start as init sets them and have the
// order of layout in a file. A second one of a name is a panic.
func (s Scope) Param(name string, shape device.Shape, layout Layout, init Init) *autograd.Var {
	layout.check(shape)
	p := &Param{Var: autograd.Parameter(s.claim(name), s.net.dev.Alloc(shape)), Layout: layout, init: init}
	s.net.params = append(s.net.params, p)
	return p.Var
}

// Buffer makes the buffer s.name.
func (s Scope) Buffer(name string, shape device.Shape, layout Layout, init Init) device.Tensor {
	layout.check(shape)
	b := &Buffer{Name: s.claim(name), Tensor: s.net.dev.Alloc(shape), Layout: layout, init: init}
	s.net.buffers = append(s.net.buffers, b)
	return b.Tensor
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
