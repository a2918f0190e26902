package models

import (
	"fmt"
	"slices"
	"strings"

	"voxgrad/device"
	"voxgrad/models/weights"
)

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
	if err := Restore(n, f); err != nil {
		n.Free()
		return nil, err
	}
	n.Preparation = prepared
	return n, nil
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
			path, c.Width, c.Cin, n, n.Width, n.Cin)
	}
	if c.Head() != Softmax {
		return fmt.Errorf("%s holds %s; an encoder is taken from a segmenter or a detector", path, article(c.Kind))
	}
	return restore(n, Unwrapped(f), inEncoder)
}

// Unwrapped is f without what a wrapper has put before all of its names: "module." of
// DataParallel, "_orig_mod." of torch.compile, a LightningModule's own word. Files of other
// networks than the four, and those that need nothing of the kind, come back as they are.
func Unwrapped(f *weights.File) *weights.File {
	return unwrapped(f, marks...)
}

// marks are tensors of which each of the four networks, and each part of one that
// is kept in a file of its own, has one.
var marks = []string{"conv_out.weight", "conv1.weight"}
