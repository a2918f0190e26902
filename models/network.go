package models

import (
	"fmt"
	"maps"
	"strconv"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/layers"
)

// Network is what training, prediction by windows and weights files ask of a
// network. A struct that embeds a *layers.Net has all but Forward and Spec.
type Network interface {
	// Forward runs the network on Spec().Images images, each [N D H W Cin], and
	// returns [N D H W Cout].
	Forward(t *autograd.Tape, images ...*autograd.Var) *autograd.Var
	Spec() Spec

	Params() []*layers.Param
	Buffers() []*layers.Buffer
	ClearGrads()
	Count() (trainable, all int)
	SetMode(layers.Mode)
	Device() device.Backend
	Free()
}

// Spec is what a network takes and returns.
type Spec struct {
	Name     string // in weights files and messages: "segmenter"
	Images   int    // that Forward takes: the time points
	Cin      int    // channels of an image
	Cout     int    // channels of the answer
	Head     string // what the answer means: Softmax or Linear
	Multiple int    // that the images' extents must be of

	Preparation Preparation // of the images; what is not known is zero
}

// Metadata describes a network in a weights file: model, images, cin, cout, head,
// and how its input is prepared.
func (s Spec) Metadata() map[string]string {
	m := map[string]string{
		"model": s.Name, "images": strconv.Itoa(s.Images),
		"cin": strconv.Itoa(s.Cin), "cout": strconv.Itoa(s.Cout), "head": s.Head,
	}
	maps.Copy(m, s.Preparation.Metadata())
	return m
}

// Segments returns what is wrong with a network of which the probability of a lesion,
// the second of two classes, is wanted.
func (s Spec) Segments() error {
	if s.Head != Softmax || s.Cout != 2 {
		return fmt.Errorf("%s does not segment: its answer is %d channels of head %s, not the logits of background and lesion", article(s.Name), s.Cout, s.Head)
	}
	return nil
}
