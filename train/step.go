package train

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/train/sample"
)

// key feeds the dropout of one step.
func (t *trainer) key(step int) uint64 { return rng.Key(t.cfg.Seed, "step", step) }

// step is one update. Loss and gradients are looked at before it: on the first
// NaN or infinity the weights stay as they are and the error says where it came
// from.
func (t *trainer) step(b *sample.Batch) (sums, error) {
	in := t.task.upload(b)
	defer t.free(in)
	tape := autograd.New(t.dev, t.key(t.state.Step))
	defer tape.Close()
	t.net.ClearGrads()
	a := t.task.forward(tape, in)
	tape.Backward(a.loss)
	r := t.task.read(tape, a, in, b)
	bad := t.badGradients()
	if err := t.dev.Sync(); err != nil {
		return r, err
	}
	if bad > 0 || math.IsNaN(r.Loss) || math.IsInf(r.Loss, 0) {
		return r, t.notFinite(b, in, r.Loss)
	}
	t.adam.Update()
	return r, nil
}

// badGradients counts the gradient values that are not finite.
func (t *trainer) badGradients() float64 {
	var counts []device.Tensor
	for _, m := range t.adam.Moments {
		if g := m.Grad(); !g.None() {
			c := t.dev.Alloc(device.Scalar())
			t.dev.NonFinite(c, g)
			counts = append(counts, c)
		}
	}
	total := 0.0
	for _, c := range counts {
		var n [1]float32
		t.dev.Download(n[:], c)
		t.dev.Free(c)
		total += float64(n[0])
	}
	return total
}

// NotFiniteError is a NaN or infinity in training.
type NotFiniteError struct {
	Step    int      // from 1
	Samples []string // sample number, case and place of each patch of the batch
	Where   string   // the op that it came out of
	Last    string   // the checkpoint before
}

func (e *NotFiniteError) Error() string {
	return fmt.Sprintf("step %d: NaN or infinity in training, first seen in %s; the patches were %s; the weights before this step were not changed, the last good state is in %s",
		e.Step, e.Where, strings.Join(e.Samples, ", "), e.Last)
}

// notFinite looks for the first bad value: in the images, in what augmentation
// and synthesis made of them, and in the step, which is run again op by op.
func (t *trainer) notFinite(b *sample.Batch, in inputs, loss float64) error {
	e := &NotFiniteError{Step: t.state.Step + 1, Last: t.path(LastFile)}
	for _, s := range b.Samples {
		e.Samples = append(e.Samples, describe(s))
		for time, im := range s.Images {
			if n := nonFinite(im); n > 0 && e.Where == "" {
				e.Where = fmt.Sprintf("the input: image %d of case %s, %d voxels", time+1, s.Case, n)
			}
		}
	}
	if e.Where == "" {
		e.Where = t.badInput(b, in)
	}
	if e.Where != "" {
		return e
	}
	tape := autograd.New(t.dev, t.key(t.state.Step))
	defer tape.Close()
	tape.Trace()
	t.net.ClearGrads()
	tape.Backward(t.task.forward(tape, in).loss)
	e.Where = tape.NonFinite()
	if e.Where == "" {
		e.Where = fmt.Sprintf("the loss (%g), but not when the step was repeated: suspect the device", loss)
	}
	return e
}

// badInput names the patch whose images on the device are not finite.
func (t *trainer) badInput(b *sample.Batch, in inputs) string {
	for time, x := range append(slices.Clone(in.images), in.target) {
		host := make([]float32, x.Len())
		t.dev.Download(host, x)
		each := len(host) / len(b.Samples)
		for n, s := range b.Samples {
			bad := nonFinite(host[n*each:][:each])
			switch {
			case bad > 0 && time < len(in.images):
				return fmt.Sprintf("image %d as it was made of patch %s, %d values", time+1, describe(s), bad)
			case bad > 0:
				return fmt.Sprintf("the target as it was made of patch %s, %d values", describe(s), bad)
			}
		}
	}
	return ""
}

func nonFinite(x []float32) int {
	n := 0
	for _, v := range x {
		if v-v != 0 {
			n++
		}
	}
	return n
}
