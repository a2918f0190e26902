//go:build linux

package main

import (
	"fmt"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/device/meta"
	"voxgrad/layers"
	"voxgrad/models"
)

// layer is a convolution with what is before it in the network: cat(up(x), skips), norm, conv, ReLU. pytorch.py
// makes the same ones from the same numbers.
type layer struct {
	name        string
	up          string // how the first source is upsampled, or ""
	first, skip int    // channels of the sources; skip 0: there is none
	out         int
	down        int  // the grid is 2^-down of the patch
	plain       bool // no norm; conv_out has no ReLU either
	pool        bool // not a convolution: max-pooling and dropout
}

// layersOf lists the layers of a network in their order.
func layersOf(s settings) (all []layer) {
	w := s.Width
	all = []layer{{name: "conv1", first: 1, out: w, plain: true}}
	for l := range 3 {
		mid := w << l
		next := 2 * mid
		if l == 2 {
			next = 4 * mid
		}
		all = append(all, layer{name: fmt.Sprint("conv", 2*l+2), first: mid, out: 2 * mid, down: l},
			layer{name: fmt.Sprint("pool", l+1), first: 2 * mid, out: 2 * mid, down: l, pool: true},
			layer{name: fmt.Sprint("conv", 2*l+3), first: 2 * mid, out: next, down: l + 1})
	}
	if s.Model == models.Detector {
		for l := range 4 {
			c := w << (l + 1)
			all = append(all, layer{name: fmt.Sprint("fuse", l+1), first: c, skip: c, out: c, down: l})
		}
	}
	below := 16 * w
	for l := 2; l >= 0; l-- {
		skip := w << (l + 1)
		out := max(skip, 4*w)
		all = append(all, layer{name: fmt.Sprint("conv", 10-l), up: s.Up, first: below, skip: skip, out: out, down: l})
		below = out
	}
	return append(all, layer{name: "conv_out", first: below, out: 2, plain: true})
}

// made is a layer with its arguments.
type made struct {
	layer
	dev  device.Backend
	net  *layers.Net
	run  func(t *autograd.Tape, x []*autograd.Var) *autograd.Var
	in   []device.Tensor
	dy   device.Tensor
	tape *autograd.Tape
	x    []*autograd.Var // in
	y    *autograd.Var
}

func makeLayer(dev device.Backend, s settings, l layer) *made {
	m := &made{layer: l, dev: dev, net: layers.NewNet(dev)}
	grid := func(c, down int) device.Shape {
		e := s.Patch >> down
		return device.Shape{N: s.Batch, D: e, H: e, W: e, C: c}
	}
	scope := m.net.Scope()
	opt := layers.ConvOptions{ConvParams: device.Conv3x3x3, Act: device.ReLU}
	fine := l.down
	first := grid(l.first, l.down)
	switch {
	case l.pool:
		drop := layers.NewDropout(scope.In("drop"), 0.5)
		fine++
		m.run = func(t *autograd.Tape, x []*autograd.Var) *autograd.Var { return drop.Forward(t, t.MaxPool(x[0])) }
	case l.plain:
		if l.name == "conv_out" {
			opt.Act = device.Linear
		}
		conv := layers.NewConv(scope.In("conv"), l.first, l.out, opt)
		m.run = func(t *autograd.Tape, x []*autograd.Var) *autograd.Var { return conv.Forward(t, x[0]) }
	default:
		var up *layers.Up
		if l.up != "" {
			first = grid(l.first, l.down+1)
			up = layers.NewUp(scope.In("up"), l.up, l.first)
		}
		c := l.first + l.skip
		cat := layers.NewCatConv(up, layers.NewBatchNorm(scope.In("norm"), c), layers.NewConv(scope.In("conv"), c, l.out, opt))
		m.run = func(t *autograd.Tape, x []*autograd.Var) *autograd.Var { return cat.Forward(t, x...) }
	}
	m.net.Init(1)
	m.in = append(m.in, upload(dev, first, noise(first.Len(), 1)))
	if l.skip > 0 {
		x := grid(l.skip, l.down)
		m.in = append(m.in, upload(dev, x, noise(x.Len(), 2)))
	}
	for i, t := range m.in {
		v := autograd.Parameter(fmt.Sprint("x", i), t)
		v.SetWantsGrad(m.name != "conv1") // an image wants none
		m.x = append(m.x, v)
	}
	y := grid(l.out, fine)
	m.dy = upload(dev, y, noise(y.Len(), 3))
	return m
}

// forward leaves the result for gradient.
func (m *made) forward() {
	m.close()
	m.tape = autograd.New(m.dev, 1)
	m.y = m.run(m.tape, m.x)
}

// gradient is the reverse pass of forward.
func (m *made) gradient() {
	m.net.ClearGrads()
	for _, v := range m.x {
		v.ClearGrad()
	}
	m.tape.BackwardFrom(m.y, m.dy)
}

// free is close, and frees what the layer is made of.
func (m *made) free() {
	m.close()
	m.net.Free()
	for _, v := range m.x {
		v.FreeGrad(m.dev)
		m.dev.Free(v.Tensor)
	}
	m.dev.Free(m.dy)
}

func (m *made) close() {
	if m.tape != nil {
		m.tape.Close()
		m.tape = nil
	}
}

// flops are those of the convolutions by their definition, by the kind of pass: a device that
// counts runs it.
func (r *report) flops() map[string]int64 {
	f := map[string]int64{}
	count := func(what string, run func(dev device.Backend)) {
		dev := meta.New(0)
		defer dev.Close()
		run(dev)
		f[what] = dev.Total().Flops
	}
	c := models.Default(r.Model)
	c.Up, c.Width = r.Up, r.Width
	for _, what := range []string{"forward", "step"} {
		count(what, func(dev device.Backend) {
			n, err := newNetwork(dev, r.settings, c)
			must(err)
			_, err = n.pass(what)
			must(err)
		})
	}
	for _, l := range layersOf(r.settings) {
		count(l.name+" forward", func(dev device.Backend) { makeLayer(dev, r.settings, l).forward() })
		count(l.name+" gradient", func(dev device.Backend) {
			m := makeLayer(dev, r.settings, l)
			m.forward()
			m.gradient()
		})
		f[l.name+" gradient"] -= f[l.name+" forward"]
	}
	return f
}
