package models

import (
	"fmt"
	"strings"

	"voxgrad/layers"
	"voxgrad/models/weights"
)

// Names that a training checkpoint adds to a weights file start with one of
// these: the optimizer's moments, and whatever the training loop keeps.
const (
	AdamPrefix  = "adam."
	TrainPrefix = "train."
)

// IsState reports whether a tensor belongs to a checkpoint's training state and
// not to the network.
func IsState(name string) bool {
	return strings.HasPrefix(name, AdamPrefix) || strings.HasPrefix(name, TrainPrefix)
}

// AdamTensors are the optimizer's state for a checkpoint: adam.step, and
// adam.m.NAME and adam.v.NAME in the layout of parameter NAME.
func (n *Net) AdamTensors(a *layers.Adam) []weights.Tensor {
	out := []weights.Tensor{weights.Int64(AdamPrefix+"step", []int64{int64(a.Step)})}
	for _, m := range a.Moments {
		out = append(out,
			n.pack(AdamPrefix+"m."+m.Name, m.Layout, m.M),
			n.pack(AdamPrefix+"v."+m.Name, m.Layout, m.V))
	}
	return out
}

// SetAdam restores what AdamTensors gave. The same parameters must be trainable.
func (n *Net) SetAdam(a *layers.Adam, f *weights.File) error {
	step, ok := f.Get(AdamPrefix + "step")
	if !ok {
		return fmt.Errorf("%s has no training state: it is a plain weights file", f.Path)
	}
	s, err := step.Int64s()
	if err != nil || len(s) != 1 || s[0] < 0 {
		return fmt.Errorf("%s: adam.step is not one number", f.Path)
	}
	values := make([][2][]float32, len(a.Moments))
	for i, m := range a.Moments {
		for j, kind := range []string{"m.", "v."} {
			t, ok := f.Get(AdamPrefix + kind + m.Name)
			if !ok {
				return fmt.Errorf("%s has no optimizer state for %s: was it frozen then?", f.Path, m.Name)
			}
			if values[i][j], err = unpack(t, m.Layout, m.Param.Shape); err != nil {
				return fmt.Errorf("%s: %w", f.Path, err)
			}
		}
	}
	for i, m := range a.Moments {
		n.Device().Upload(m.M, values[i][0])
		n.Device().Upload(m.V, values[i][1])
	}
	a.Step = int(s[0])
	return n.Device().Sync()
}
