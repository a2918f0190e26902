package predict

import (
	"cmp"
	"slices"

	"voxgrad/cuda"
	"voxgrad/cuda/launches"
	"voxgrad/device"
)

// Dry is the CUDA backend on a card that is not there: it computes nothing and lists what it would launch.
type Dry struct {
	device.Ops
	*cuda.Backend

	// Names are the layers of parameters and of their gradients; nil if there are none.
	Names func(device.Mem) string

	card  Card
	rec   *launches.Recorder
	calls []call
}

// call is an operation and its launches, the first of them and the one behind the last.
type call struct {
	op, layer string
	from, to  int
	flops     int64
	bytes     int64
}

// NewDry makes one in a precision; auto is decided. The caller closes it.
func NewDry(c Card, p cuda.Precision) (*Dry, error) {
	d := &Dry{card: c, rec: launches.NewRecorder(c.Info())}
	var err error
	if d.Backend, err = cuda.New(d.rec, cuda.WithoutPool(), cuda.WithPrecision(p)); err != nil {
		return nil, err
	}
	d.Ops = d.run
	return d, nil
}

// Hollow says that tensors hold nothing.
func (d *Dry) Hollow() {}

// run notes a call.
func (d *Dry) run(c *device.Call) {
	at := call{op: c.Op, from: len(d.rec.Launches), flops: c.Flops, bytes: c.Bytes}
	d.Backend.Ops(c)
	if at.to = len(d.rec.Launches); at.to == at.from {
		return
	}
	all := int64(0)
	for _, a := range c.Args {
		if a.Skipped() || a.Tensor.None() {
			continue
		}
		n := 4 * int64(a.Tensor.Len())
		if a.Into != nil && a.Into.Mode == device.Add {
			n *= 2
		}
		all += n
		// A convolution behind others has their parameters too.
		if d.Names != nil && (a.Name == "w" || a.Name == "dw" || at.layer == "") {
			at.layer = cmp.Or(d.Names(a.Tensor.Mem), at.layer)
		}
	}
	at.bytes = cmp.Or(at.bytes, all)
	if c.Op == "Adam" || c.Op == "NonFinite" || c.Op == "TotalNorm" { // of many layers, through a table
		at.layer = ""
		d.rec.Launches[at.to-1].Bytes += at.bytes
	}
	d.calls = append(d.calls, at)
}

// Prediction is what a piece of work takes on a card.
type Prediction struct {
	Card      string   `json:"card"`
	Precision string   `json:"precision"`
	Seconds   float64  `json:"predicted_s"`
	Floor     float64  `json:"floor_s"` // its arithmetic by definition, or the least bytes, at the rates of the data sheet
	Flops     int64    `json:"flops"`
	Launches  []Launch `json:"launches"`
	Layers    []Group  `json:"layers"`  // and operations without parameters
	Kernels   []Group  `json:"kernels"` // the longest first
}

// Group is launches together.
type Group struct {
	Name     string  `json:"name"`
	Launches int     `json:"launches"`
	Seconds  float64 `json:"predicted_s"`
	Floor    float64 `json:"floor_s,omitempty"`
}

// Predict runs f twice, since the first run allocates, and predicts the second.
func (d *Dry) Predict(f func()) (*Prediction, error) {
	for range 2 {
		d.rec.Launches, d.calls = nil, nil
		f()
	}
	if err := d.Sync(); err != nil {
		return nil, err
	}
	return d.On(d.card)
}

// On predicts what Predict ran on another card: the launches are the same on all.
func (d *Dry) On(card Card) (*Prediction, error) {
	p := &Prediction{Card: card.Name, Precision: d.Precision().String()}
	var bytes int64
	for _, c := range d.calls {
		layer := group(&p.Layers, cmp.Or(c.layer, c.op))
		layer.Floor += card.Floor(d.Precision(), c.flops, c.bytes)
		p.Flops, bytes = p.Flops+c.flops, bytes+c.bytes
		for _, l := range d.rec.Launches[c.from:c.to] {
			at, err := card.Launch(l)
			if err != nil {
				return nil, err
			}
			at.Op, at.Layer = c.op, c.layer
			p.Launches = append(p.Launches, at)
			p.Seconds += at.Seconds
			for _, g := range []*Group{layer, group(&p.Kernels, at.Kernel)} {
				g.Launches++
				g.Seconds += at.Seconds
			}
		}
	}
	p.Floor = card.Floor(d.Precision(), p.Flops, bytes)
	slices.SortStableFunc(p.Kernels, func(a, b Group) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return p, nil
}

// group finds one by its name, or adds it.
func group(all *[]Group, name string) *Group {
	for i := range *all {
		if (*all)[i].Name == name {
			return &(*all)[i]
		}
	}
	*all = append(*all, Group{Name: name})
	return &(*all)[len(*all)-1]
}
