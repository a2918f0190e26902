package models

import (
	"fmt"
	"maps"
	"strconv"

	"voxgrad/internal/text"
	"voxgrad/layers"
	"voxgrad/models/weights"
)

// Metadata describes the network in a weights file: model, width, up, cin,
// cout, head, dropout.
func (c Config) Metadata() map[string]string {
	return map[string]string{
		"model": c.Kind, "width": strconv.Itoa(c.Width), "up": c.Up,
		"cin": strconv.Itoa(c.Cin), "cout": strconv.Itoa(c.Cout), "head": c.Head(),
		"dropout": strconv.FormatFloat(c.Dropout, 'g', -1, 64),
	}
}

// Metadata describes the network and its input in a weights file: Config's and
// Preparation's.
func (n *Net) Metadata() map[string]string {
	m := n.Config.Metadata()
	maps.Copy(m, n.Preparation.Metadata())
	return m
}

// ConfigOf returns which network a file holds. Names and shapes of the tensors tell
// width, up, channels and whether it is a detector; the metadata tell the rest and
// must not contradict them. Besides this project's keys it understands nf, nin,
// nout and siamese. Without metadata a network with one output channel is an
// inpainter if it has one input channel, else a generator, and one with more output
// channels is a segmenter.
func ConfigOf(f *weights.File) (Config, error) {
	f = Unwrapped(f)
	if authors(f) {
		return Config{}, fmt.Errorf("%s has the layer names of the paper's authors: convert it first (voxgrad weights from-authors)", f.Path)
	}
	first, ok1 := f.Get("conv1.weight")
	last, ok2 := f.Get("conv_out.weight")
	if !ok1 || !ok2 || len(first.Shape) != 5 || len(last.Shape) != 5 {
		if prefix, all := wrapper(f, marks...); prefix != "" && !all {
			return Config{}, fmt.Errorf("%s: the names of a network begin with %s, but not all of the file's do: save that network alone", f.Path, text.Clean(prefix))
		}
		return Config{}, fmt.Errorf("%s holds none of this program's networks: no convolutions conv1 and conv_out", f.Path)
	}
	c := Config{Width: first.Shape[0], Cin: first.Shape[1], Cout: last.Shape[0], Up: layers.Trilinear, Dropout: 0.5}
	if _, ok := f.Get("up3.weight"); ok {
		c.Up = layers.Transposed
	}
	_, siamese := f.Get("fuse4.weight")
	c.Kind = f.Meta["model"]
	if c.Kind == "" {
		c.Kind = guess(c, siamese, f.Meta["head"])
	}
	if err := agree(f, c, siamese); err != nil {
		return Config{}, err
	}
	if s := f.Meta["dropout"]; s != "" {
		p, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return Config{}, fmt.Errorf("%s: metadata: dropout = %q is not a number", f.Path, s)
		}
		c.Dropout = p
	}
	if err := c.Validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", f.Path, err)
	}
	return c, nil
}

// guess is the kind of a network whose file does not say.
func guess(c Config, siamese bool, head string) string {
	switch {
	case siamese:
		return Detector
	case head == Softmax || head == "" && c.Cout > 1:
		return Segmenter
	case c.Cin == 1:
		return Inpainter
	default:
		return Generator
	}
}

// agree compares the metadata with what the tensors tell.
func agree(f *weights.File, c Config, siamese bool) error {
	for _, want := range [][2]string{
		{"width", strconv.Itoa(c.Width)}, {"nf", strconv.Itoa(c.Width)},
		{"cin", strconv.Itoa(c.Cin)}, {"nin", strconv.Itoa(c.Cin)},
		{"cout", strconv.Itoa(c.Cout)}, {"nout", strconv.Itoa(c.Cout)},
		{"up", c.Up}, {"head", c.Head()},
	} {
		if got, ok := f.Meta[want[0]]; ok && got != want[1] {
			return fmt.Errorf("%s: metadata say %s = %s, the tensors say %s", f.Path, want[0], got, want[1])
		}
	}
	if siamese != (c.Kind == Detector) {
		return fmt.Errorf("%s: metadata say model = %s, but fusion layers are %s", f.Path, c.Kind,
			map[bool]string{true: "present", false: "missing"}[siamese])
	}
	return nil
}
