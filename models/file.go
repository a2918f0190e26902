package models

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"voxgrad/device"
	"voxgrad/layers"
	"voxgrad/models/weights"
)

// batchCounter is a buffer of PyTorch's norms that nothing here needs.
const batchCounter = ".num_batches_tracked"

// Tensors are the parameters and buffers by PyTorch's names, in PyTorch's
// layouts, rounded to float32.
func (n *Net) Tensors() []weights.Tensor {
	var out []weights.Tensor
	n.each(func(name string, l layers.Layout, x device.Tensor) {
		out = append(out, n.pack(name, l, x))
	})
	return out
}

// Save writes a weights file. Extra metadata may be given, and wins.
func (n *Net) Save(path string, extra map[string]string) error {
	t := n.Tensors()
	if err := n.Device().Sync(); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	meta := n.Metadata()
	for k, v := range extra {
		meta[k] = v
	}
	return weights.Write(path, t, meta)
}

// Load reads a weights file or a checkpoint and builds its network, which must
// be of one of the kinds given, if any are.
func Load(dev device.Backend, path string, kinds ...string) (*Net, error) {
	f, err := weights.Read(path)
	if err != nil {
		return nil, err
	}
	return FromFile(dev, f, kinds...)
}

// FromFile is Load of a file that has been read.
func FromFile(dev device.Backend, f *weights.File, kinds ...string) (*Net, error) {
	c, err := ConfigOf(f)
	if err != nil {
		return nil, err
	}
	prepared, err := PreparationOf(f)
	if err != nil {
		return nil, err
	}
	if len(kinds) > 0 && !slices.Contains(kinds, c.Kind) {
		return nil, fmt.Errorf("%s holds %s; %s is needed here", f.Path, article(c.Kind), article(strings.Join(kinds, " or ")))
	}
	n, err := build(dev, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	if err := n.SetTensors(f); err != nil {
		n.Free()
		return nil, err
	}
	n.Preparation = prepared
	return n, nil
}

// SetTensors replaces all parameters and buffers by the file's, or none: every
// tensor must be there with its shape, and there must be no others, but for those
// a checkpoint adds (see IsState) and PyTorch's counters of batches.
func (n *Net) SetTensors(f *weights.File) error {
	known := map[string]bool{}
	n.each(func(name string, _ layers.Layout, _ device.Tensor) { known[name] = true })
	var extra []string
	for _, t := range f.Tensors {
		if !known[t.Name] && !IsState(t.Name) && !strings.HasSuffix(t.Name, batchCounter) {
			extra = append(extra, t.Name)
		}
	}
	if len(extra) > 0 {
		return fmt.Errorf("%s does not fit %s: it has %s besides", f.Path, n.describe(), some(extra))
	}
	return n.set(f, func(string) bool { return true })
}

// LoadEncoder replaces the encoder by that of a segmenter's or detector's
// weights, which must have the same width and number of input channels.
func (n *Net) LoadEncoder(path string) error {
	f, err := weights.Read(path)
	if err != nil {
		return err
	}
	c, err := ConfigOf(f)
	if err != nil {
		return err
	}
	if c.Width != n.Width || c.Cin != n.Cin {
		return fmt.Errorf("the encoder in %s has width %d and %d input channels; %s needs width %d and %d",
			path, c.Width, c.Cin, n.describe(), n.Width, n.Cin)
	}
	if c.Head() != Softmax {
		return fmt.Errorf("%s holds %s; an encoder is taken from a segmenter or a detector", path, article(c.Kind))
	}
	return n.set(f, inEncoder)
}

// set replaces the chosen tensors after checking all of them.
func (n *Net) set(f *weights.File, chosen func(name string) bool) error {
	values := map[string][]float32{}
	var missing, wrong []string
	n.each(func(name string, l layers.Layout, x device.Tensor) {
		if !chosen(name) {
			return
		}
		t, ok := f.Get(name)
		if !ok {
			missing = append(missing, name)
			return
		}
		v, err := unpack(t, l, x.Shape)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		values[name] = v
	})
	switch {
	case len(missing) > 0:
		return fmt.Errorf("%s does not fit %s: %s missing", f.Path, n.describe(), some(missing))
	case len(wrong) > 0:
		return fmt.Errorf("%s does not fit %s: %s", f.Path, n.describe(), some(wrong))
	}
	n.each(func(name string, _ layers.Layout, x device.Tensor) {
		if v, ok := values[name]; ok {
			n.Device().Upload(x, v)
		}
	})
	if err := n.Device().Sync(); err != nil {
		return fmt.Errorf("cannot load %s: %w", f.Path, err)
	}
	return nil
}

// each visits the parameters, then the buffers.
func (n *Net) each(visit func(name string, l layers.Layout, x device.Tensor)) {
	for _, p := range n.Params() {
		visit(p.Name, p.Layout, p.Tensor)
	}
	for _, b := range n.Buffers() {
		visit(b.Name, layers.Vector, b.Tensor)
	}
}

// pack copies a tensor from the device.
func (n *Net) pack(name string, l layers.Layout, x device.Tensor) weights.Tensor {
	v := make([]float32, x.Len())
	n.Device().Download(v, x)
	return weights.Float32(name, l.FileShape(x.Shape), l.ToFile(v, x.Shape))
}

// unpack is the content of t in the device's order, if it has the right shape
// and finite values.
func unpack(t weights.Tensor, l layers.Layout, s device.Shape) ([]float32, error) {
	if want := l.FileShape(s); !slices.Equal(want, t.Shape) {
		return nil, fmt.Errorf("%s has shape %v instead of %v", t.Name, t.Shape, want)
	}
	v, err := t.Float32s()
	if err != nil {
		return nil, err
	}
	for _, x := range v {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("%s holds NaN or infinite values", t.Name)
		}
	}
	return l.FromFile(v, s), nil
}

func (n *Net) describe() string {
	return fmt.Sprintf("%s of width %d with %s up", article(n.Kind), n.Width, n.Up)
}

// article is "a segmenter" or "an inpainter".
func article(kind string) string {
	if strings.HasPrefix(kind, "i") {
		return "an " + kind
	}
	return "a " + kind
}

// some lists names, but not hundreds of them.
func some(names []string) string {
	const few = 4
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
