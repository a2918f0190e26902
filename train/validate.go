package train

import (
	"context"
	"fmt"
	"math"

	"voxgrad/autograd"
	"voxgrad/layers"
	"voxgrad/metrics"
	"voxgrad/train/dataset"
	"voxgrad/train/infer"
	"voxgrad/train/sample"
)

// validate computes the loss of the fixed validation patches with running
// statistics and without dropout.
func (t *trainer) validate(ctx context.Context) (s sums, err error) {
	t.net.SetMode(layers.Eval)
	defer t.net.SetMode(layers.Train)
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
	defer t.free(in)
	tape := autograd.NewInference(t.dev)
	defer tape.Close()
	r := t.task.read(tape, t.task.forward(tape, in), in, b)
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
	defer t.net.SetMode(layers.Train)
	opt := infer.Defaults()
	opt.Settings, opt.Patch = t.cfg.Data.Settings, t.cfg.Sampler.Patch
	for a, n := range opt.Patch {
		opt.Hop[a] = n / 2
	}
	var dices, f1s []float64
	for n, i := range t.split.Valid {
		c := t.set.Cases[i]
		times, brain, err := dataset.ReadImages(c, opt.Settings)
		if err != nil {
			return 0, 0, fmt.Errorf("case %s: %w", c.ID, err)
		}
		truth, err := dataset.ReadMask(c)
		if err != nil {
			return 0, 0, err
		}
		r, err := infer.Predict(ctx, []infer.Member{infer.Keep(t.net)}, times, brain, opt)
		if err != nil {
			return 0, 0, err
		}
		truth.Data = binary(truth.Data)
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

// binary is a mask of zeros and ones, as the loader reads it: above ½ is lesion.
func binary(x []float32) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		if v > 0.5 {
			out[i] = 1
		}
	}
	return out
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
