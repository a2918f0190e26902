package models

import (
	"fmt"
	"slices"
	"strings"

	"voxgrad/layers"
)

// Kinds of network.
const (
	Segmenter = "segmenter" // all lesions of one image
	Detector  = "detector"  // new lesions of two images
	Inpainter = "inpainter" // healthy tissue in place of noise
	Generator = "generator" // a lesion in place of noise, where a mask says
)

// Kinds lists them.
func Kinds() []string { return []string{Segmenter, Detector, Inpainter, Generator} }

// Config describes a network to build.
type Config struct {
	Kind    string
	Width   int     // channels after the first convolution
	Up      string  // layers.Transposed or layers.Trilinear
	Cin     int     // channels of an image (per time point)
	Cout    int     // channels of the answer
	Dropout float64 // probability after each pooling, in Train
}

// Default is the published network of a kind: width 24, dropout ½, and
// transposed convolutions, which is this project's choice.
func Default(kind string) Config {
	c := Config{Kind: kind, Width: 24, Up: layers.Transposed, Cin: 1, Cout: 2, Dropout: 0.5}
	switch kind {
	case Inpainter:
		c.Cout = 1
	case Generator:
		c.Cin, c.Cout = 2, 1
	}
	return c
}

// Heads: what a network's output means.
const (
	Softmax = "softmax" // logits of exclusive classes
	Linear  = "linear"  // intensities
)

// Head is Softmax for the networks that segment, Linear for those that paint.
func (c Config) Head() string {
	if c.Kind == Inpainter || c.Kind == Generator {
		return Linear
	}
	return Softmax
}

// TimePoints is the number of images Forward takes.
func (c Config) TimePoints() int {
	if c.Kind == Detector {
		return 2
	}
	return 1
}

// Validate returns what is wrong with c, or nil.
func (c Config) Validate() error {
	switch {
	case !slices.Contains(Kinds(), c.Kind):
		return fmt.Errorf("there is no model %q: choose one of %s", c.Kind, strings.Join(Kinds(), ", "))
	case c.Up != layers.Transposed && c.Up != layers.Trilinear:
		return fmt.Errorf("there is no up %q: choose %s or %s", c.Up, layers.Transposed, layers.Trilinear)
	case c.Width < 1 || c.Width > 1024:
		return fmt.Errorf("width %d is outside 1 … 1024", c.Width)
	case c.Cin < 1 || c.Cin > 1024:
		return fmt.Errorf("%d input channels are outside 1 … 1024", c.Cin)
	case c.Cout < 1 || c.Cout > 1024:
		return fmt.Errorf("%d output channels are outside 1 … 1024", c.Cout)
	case c.Head() == Softmax && c.Cout < 2:
		return fmt.Errorf("%s needs at least 2 output channels (background, lesion), not %d", article(c.Kind), c.Cout)
	case !(c.Dropout >= 0 && c.Dropout < 1):
		return fmt.Errorf("dropout %v is outside [0, 1)", c.Dropout)
	}
	return nil
}
