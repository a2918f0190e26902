package train

import (
	"fmt"
	"math"
	"strings"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
)

// stepResult is what one batch gave. The four sums are of the lesion channel.
type stepResult struct {
	loss                           float64
	intersection, predicted, truth float64
	voxels                         float64
}

// lesion is the mean lesion probability.
func (r stepResult) lesion() float64 { return r.predicted / r.voxels }

// classes is background and lesion.
const classes = 2

// inputs is a batch on the device.
type inputs struct {
	images []device.Tensor // one per time point, [N D H W 1]
	target device.Tensor   // [N D H W 2], background and lesion
}

func (t *trainer) upload(b *sample.Batch) inputs {
	first := b.Samples[0]
	shape := device.Shape{N: len(b.Samples), D: first.Size[0], H: first.Size[1], W: first.Size[2], C: 1}
	voxels := shape.Voxels()
	host := make([]float32, shape.Len())
	var in inputs
	for time := range first.Images {
		for n, s := range b.Samples {
			copy(host[n*voxels:], s.Images[time])
		}
		x := t.dev.Alloc(shape)
		t.dev.Upload(x, host)
		in.images = append(in.images, x)
	}
	target := make([]float32, classes*shape.Len())
	for n, s := range b.Samples {
		for v, l := range s.Labels {
			class := 0
			if l&dataset.Lesion != 0 {
				class = 1
			}
			target[classes*(n*voxels+v)+class] = 1
		}
	}
	in.target = t.dev.Alloc(shape.WithC(classes))
	t.dev.Upload(in.target, target)
	return in
}

func (t *trainer) free(in inputs) {
	for _, x := range in.images {
		t.dev.Free(x)
	}
	t.dev.Free(in.target)
}

// forward gives the loss on a tape and its sums.
func (t *trainer) forward(tape *autograd.Tape, in inputs) (loss, sums *autograd.Var) {
	x := make([]*autograd.Var, len(in.images))
	for i, im := range in.images {
		x[i] = autograd.Input(im)
	}
	return tape.DiceLoss(t.net.Forward(tape, x...), autograd.Input(in.target), device.DiceOptions{
		Eps: t.cfg.Loss.Eps, LesionOnly: t.cfg.Loss.LesionOnly, CrossEntropy: t.cfg.Loss.CrossEntropy,
	})
}

// read downloads what forward gave.
func (t *trainer) read(tape *autograd.Tape, loss, sums *autograd.Var, in inputs) stepResult {
	s := tape.Value(sums)
	return stepResult{
		loss:         float64(tape.Value(loss)[0]),
		intersection: float64(s[1]), predicted: float64(s[classes+1]), truth: float64(s[2*classes+1]),
		voxels: float64(in.target.Rows()),
	}
}

// key feeds the dropout of one step.
func (t *trainer) key(step int) uint64 { return rng.Key(t.cfg.Seed, "step", step) }

// step is one update. Loss and gradients are looked at before it: on the first
// NaN or infinity the weights stay as they are and the error says where it came
// from.
func (t *trainer) step(b *sample.Batch) (stepResult, error) {
	in := t.upload(b)
	defer t.free(in)
	tape := autograd.New(t.dev, t.key(t.state.Step))
	defer tape.Close()
	t.net.ClearGrads()
	loss, sums := t.forward(tape, in)
	tape.Backward(loss)
	r := t.read(tape, loss, sums, in)
	bad := t.badGradients()
	if err := t.dev.Sync(); err != nil {
		return r, err
	}
	if bad > 0 || math.IsNaN(r.loss) || math.IsInf(r.loss, 0) {
		return r, t.notFinite(b, in, r.loss)
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

// notFinite runs the step again op by op to find the first bad value.
func (t *trainer) notFinite(b *sample.Batch, in inputs, loss float64) error {
	e := &NotFiniteError{Step: t.state.Step + 1, Last: t.path(LastFile)}
	for _, s := range b.Samples {
		e.Samples = append(e.Samples, fmt.Sprintf("%d (case %s at %v)", s.Index, s.Case, s.Start))
		for time, im := range s.Images {
			if n := nonFinite(im); n > 0 && e.Where == "" {
				e.Where = fmt.Sprintf("the input: image %d of case %s, %d voxels", time+1, s.Case, n)
			}
		}
	}
	if e.Where != "" {
		return e
	}
	tape := autograd.New(t.dev, t.key(t.state.Step))
	defer tape.Close()
	tape.Trace()
	t.net.ClearGrads()
	l, _ := t.forward(tape, in)
	tape.Backward(l)
	e.Where = tape.NonFinite()
	if e.Where == "" {
		e.Where = fmt.Sprintf("the loss (%g), but not when the step was repeated: suspect the device", loss)
	}
	return e
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
