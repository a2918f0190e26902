package layers

import (
	"math"
	"strings"

	"voxgrad/device"
)

// Averages are exponential moving averages (EMA) of a network's parameters and
// buffers over its updates, as Polyak and Juditsky's averaged iterates are used in
// practice: the averaged network changes less from step to step than the last one,
// its running statistics too.
//
//	a = Decay·a + (1−Decay)·w after each update, from 0
//	average = a / (1−Decay^Step)
//
// The division makes it a mean of the weights so far from the first update on; it is
// Adam's correction of bias.
type Averages struct {
	Decay float64
	Step  int // updates seen
	Of    []Average

	dev device.Backend
}

// Average is the sum a of one tensor of the network.
type Average struct {
	Name   string
	Layout Layout
	W, Sum device.Tensor

	last device.Tensor // W's own values while the average is in its place
}

// NewAverages starts averages of the parameters of a network that are trainable now and
// of the buffers of their layers. What is frozen keeps its bits.
func NewAverages(dev device.Backend, params []*Param, buffers []*Buffer, decay float64) *Averages {
	a := &Averages{Decay: decay, dev: dev}
	trained := map[string]bool{}
	for _, p := range params {
		if p.Trainable() {
			trained[layerOf(p.Name)] = true
			a.add(p.Name, p.Layout, p.Tensor)
		}
	}
	for _, b := range buffers {
		if trained[layerOf(b.Name)] {
			a.add(b.Name, b.Layout, b.Tensor)
		}
	}
	return a
}

// layerOf is the path of the layer that a parameter or buffer belongs to.
func layerOf(name string) string { return name[:max(strings.LastIndexByte(name, '.'), 0)] }

func (a *Averages) add(name string, layout Layout, w device.Tensor) {
	sum := a.dev.Alloc(w.Shape)
	a.dev.Fill(sum, 0)
	a.Of = append(a.Of, Average{Name: name, Layout: layout, W: w, Sum: sum})
}

// Update takes in the network as it is after an update.
func (a *Averages) Update() {
	a.Step++
	for _, t := range a.Of {
		a.dev.Blend(t.Sum, t.Sum, t.W, a.Decay, 1-a.Decay)
	}
}

// Use puts the averages in the network's place; Restore takes them out again. Before the
// first update there are none, and the network stays as it is.
func (a *Averages) Use() {
	if a.Step == 0 {
		return
	}
	scale := 1 / (1 - math.Pow(a.Decay, float64(a.Step)))
	for i := range a.Of {
		t := &a.Of[i]
		t.last = a.dev.Alloc(t.W.Shape)
		a.dev.Copy(device.Into{Tensor: t.last, Mode: device.Set}, t.W)
		a.dev.Blend(t.W, t.Sum, t.Sum, scale, 0)
	}
}

// Restore puts the network back that Use replaced.
func (a *Averages) Restore() {
	for i := range a.Of {
		t := &a.Of[i]
		if t.last.None() {
			continue
		}
		a.dev.Copy(device.Into{Tensor: t.W, Mode: device.Set}, t.last)
		a.dev.Free(t.last)
		t.last = device.Tensor{}
	}
}

// Free frees the averages.
func (a *Averages) Free() {
	for _, t := range a.Of {
		a.dev.Free(t.Sum)
	}
	a.Of = nil
}

// Device is where the averages are.
func (a *Averages) Device() device.Backend { return a.dev }
