package train

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/layers"
	"voxgrad/metrics"
	"voxgrad/train/dataset"
	"voxgrad/train/infer"
	"voxgrad/train/sample"
)

// key feeds the dropout of one step.
func (t *trainer) key(step int) uint64 { return rng.Key(t.cfg.Seed, "step", step) }

// pending is a step that was begun: the device computes, or has computed, and what came of
// it is on its way.
type pending struct {
	number int // of the step, from 1
	batch  *sample.Batch
	way    device.Fetched // the answer's numbers, then what NonFinite found
	answer answer
	in     inputs // for their shapes
	params []*layers.Param

	begun  time.Time
	waited time.Duration // for the batch
}

// ahead is the number of steps that were begun and not ended, 0 or 1.
func (t *trainer) ahead() int {
	if t.pending == nil {
		return 0
	}
	return 1
}

// begin queues one update and waits for nothing. Loss and gradients are looked at before it,
// on the device: from the first NaN or infinity on, no update changes the weights.
func (t *trainer) begin(b *sample.Batch) *pending {
	p := &pending{number: t.state.Step + t.ahead() + 1, batch: b, begun: time.Now()}
	p.in = t.task.upload(b)
	defer p.in.free(t.dev)
	tape := autograd.New(t.dev, t.key(p.number-1))
	defer tape.Close()
	device.Graph(t.dev, func() {
		t.net.ClearGrads()
		p.answer = t.task.forward(tape, p.in)
		tape.Backward(p.answer.loss)
		grads, params := t.adam.Gradients()
		t.dev.NonFinite(t.found, append([]device.Tensor{p.answer.loss.Tensor}, grads...))
		t.adam.LR = t.cfg.rate(p.number - 1)
		t.adam.UpdateUnless(t.found)
		if t.mean != nil {
			t.mean.Update()
		}
		p.params = params
	})
	p.way = tape.Fetch(p.answer.numbers(), t.found)
	return p
}

// step begins an update and waits for it.
func (t *trainer) step(b *sample.Batch) (sums, error) { return t.result(t.begin(b)) }

// result waits for a step and returns what came of it.
func (t *trainer) result(p *pending) (sums, error) {
	values, err := p.way.Read()
	if err != nil {
		return sums{}, err
	}
	found := values[len(values)-2:]
	r := p.answer.measured(values, p.in)
	if found[0] != 0 {
		return r, t.notFinite(p, int(found[1]))
	}
	return r, nil
}

// NotFiniteError is a NaN or infinity in training.
type NotFiniteError struct {
	Step    int      // from 1
	Samples []string // sample number, case and place of each patch of the batch
	Where   string   // the op that it came out of
	Last    string   // the checkpoint before; "" if there is none
}

func (e *NotFiniteError) Error() string {
	last := "nothing had been saved yet"
	if e.Last != "" {
		last = "the last good state is in " + e.Last
	}
	return fmt.Sprintf("step %d: NaN or infinity in training, first seen in %s; the patches were %s; the weights before this step were not changed, %s",
		e.Step, e.Where, strings.Join(e.Samples, ", "), last)
}

// notFinite looks for the first bad value: in the images, in what augmentation
// and synthesis made of them, and in the step, which is run again op by op. first is 0 for the
// loss and the number of a gradient otherwise.
func (t *trainer) notFinite(p *pending, first int) error {
	b := p.batch
	e := &NotFiniteError{Step: p.number}
	if t.state.Step > 0 {
		e.Last = t.path(LastFile)
	}
	for _, s := range b.Samples {
		e.Samples = append(e.Samples, describe(s))
		for time, im := range s.Images {
			if n := nonFinite(im); n > 0 && e.Where == "" {
				e.Where = fmt.Sprintf("the input: image %d of case %s, %d voxels", time+1, s.Case, n)
			}
		}
	}
	if e.Where != "" {
		return e
	}
	in := t.task.upload(b)
	defer in.free(t.dev)
	if e.Where = t.badInput(b, in); e.Where != "" {
		return e
	}
	tape := autograd.New(t.dev, t.key(p.number-1))
	defer tape.Close()
	tape.Trace()
	t.net.ClearGrads()
	loss := t.task.forward(tape, in).loss
	tape.Backward(loss)
	if e.Where = tape.NonFinite(); e.Where == "" {
		what := fmt.Sprintf("the loss (%g)", tape.Value(loss)[0])
		if first > 0 {
			what = "the gradient of " + p.params[first-1].Name
		}
		e.Where = what + ", but not when the step was repeated: suspect the device"
	}
	if err := t.dev.Sync(); err != nil {
		return err
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

// mode is how layers work in training steps.
func (t *trainer) mode() layers.Mode {
	if t.cfg.Network.FreezeNorm {
		return layers.Eval
	}
	return layers.Train
}

// validate computes the loss of the fixed validation patches with running
// statistics and without dropout.
func (t *trainer) validate(ctx context.Context) (s sums, err error) {
	defer t.averaged()()
	t.net.SetMode(layers.Eval)
	defer t.net.SetMode(t.mode())
	batch := t.cfg.Run.Batch
	total := (t.cfg.Run.ValidPatches + batch - 1) / batch
	next := sample.Prefetch(t.valid, 0, batch, t.cfg.Run.Ahead)
	defer next.Close()
	for i := range total {
		b, err := next.Next(ctx)
		if err != nil {
			return s, err
		}
		if left := t.cfg.Run.ValidPatches - i*batch; left < batch {
			b.Samples = b.Samples[:left]
		}
		r, err := t.evaluate(b)
		if err != nil {
			return s, err
		}
		s.add(r)
		t.on(Validating{Epoch: t.state.Epoch + 1, Done: i + 1, Total: total})
	}
	return s, nil
}

func (t *trainer) evaluate(b *sample.Batch) (sums, error) {
	in := t.task.upload(b)
	defer in.free(t.dev)
	tape := autograd.NewInference(t.dev)
	defer tape.Close()
	a := t.task.forward(tape, in)
	values, err := tape.Fetch(a.numbers()).Read()
	if err != nil {
		return sums{}, err
	}
	r := a.measured(values, in)
	t.task.inspect(&r, tape, a, in, b)
	if err := t.dev.Sync(); err != nil {
		return r, err
	}
	if math.IsNaN(r.Loss) || math.IsInf(r.Loss, 0) {
		return r, fmt.Errorf("validation after step %d: the loss is %g (patches %d to %d); the last good state is in %s",
			t.state.Step, r.Loss, b.First, b.First+len(b.Samples)-1, t.path(LastFile))
	}
	return r, nil
}

// full predicts the whole validation images and scores them. The means leave out
// cases without a lesion, where both measures are undefined.
func (t *trainer) full(ctx context.Context) (dice, f1 Number, err error) {
	defer t.averaged()()
	defer t.net.SetMode(t.mode())
	opt := infer.Defaults()
	opt.Settings, opt.Patch = t.cfg.Data.Settings, t.cfg.Sampler.Patch
	for a, n := range opt.Patch {
		opt.Stride[a] = n / 2
	}
	var dices, f1s []float64
	for n, i := range t.split.Valid {
		c := t.set.Cases[i]
		images, err := dataset.ReadImages(c)
		if err != nil {
			return 0, 0, fmt.Errorf("case %s: %w", c.ID, err)
		}
		truth, err := dataset.ReadMask(c)
		if err != nil {
			return 0, 0, err
		}
		r, err := infer.Predict(ctx, []infer.Member{infer.Keep(t.net)}, images, opt)
		if err != nil {
			return 0, 0, err
		}
		o := metrics.DefaultOptions()
		o.Groups = metrics.VoxelGroup | metrics.LesionGroup
		scores, err := metrics.Evaluate(truth, r.Mask, o)
		if err != nil {
			return 0, 0, fmt.Errorf("case %s: %w", c.ID, err)
		}
		e := FullCase{Case: c.ID, Dice: Number(math.NaN()), F1: Number(math.NaN())}
		if !scores.EmptyTruth() {
			e.Dice, e.F1 = Number(scores.Voxel.Dice), Number(scores.Lesion.F1)
		}
		dices, f1s = append(dices, float64(e.Dice)), append(f1s, float64(e.F1))
		t.on(e)
		t.on(Validating{Epoch: t.state.Epoch + 1, Full: true, Done: n + 1, Total: len(t.split.Valid)})
	}
	return mean(dices), mean(f1s), nil
}

// mean leaves out NaN; NaN if nothing is left.
func mean(x []float64) Number {
	sum, n := 0.0, 0
	for _, v := range x {
		if !math.IsNaN(v) {
			sum += v
			n++
		}
	}
	return Number(sum / float64(n))
}
