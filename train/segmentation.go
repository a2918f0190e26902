package train

import (
	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/train/sample"
)

// classes is background and lesion.
const classes = 2

// segmentation trains a segmenter on single images, or a detector on pairs: soft
// Dice between the answer and the lesion mask.
type segmentation struct {
	*trainer
	times int
}

func (t segmentation) images() int          { return t.times }
func (t segmentation) patches() sample.Kind { return sample.Mixed }

func (t segmentation) draw(p *sample.Sample, s *rng.Stream, training bool) error {
	if training {
		t.turn(p, s)
		t.drawRecipes(p, s, t.times)
	}
	return nil
}

func (t segmentation) upload(b *sample.Batch) inputs {
	shape := batchShape(b)
	var in inputs
	for time := range t.times {
		x := t.dev.Alloc(shape)
		for n, p := range b.Samples {
			one := t.augmented(p, time, time)
			t.dev.PutSample(x, n, one)
			t.dev.Free(one)
		}
		in.images = append(in.images, x)
	}
	in.target = t.classTarget(b, func(p *sample.Sample) []bool {
		_, lesions := masks(p)
		return lesions
	})
	return in
}

// classTarget is a batch's target, [N D H W 2], for the Dice loss.
func (t *trainer) classTarget(b *sample.Batch, lesions func(p *sample.Sample) []bool) device.Tensor {
	shape := batchShape(b).WithC(classes)
	host := make([]float32, shape.Len())
	for n, p := range b.Samples {
		for v, lesion := range lesions(p) {
			class := 0
			if lesion {
				class = 1
			}
			host[classes*(n*shape.Voxels()+v)+class] = 1
		}
	}
	x := t.dev.Alloc(shape)
	t.dev.Upload(x, host)
	return x
}

func (t segmentation) forward(tape *autograd.Tape, in inputs) answer { return t.dice(tape, in) }

// dice is the segmentation loss.
func (t *trainer) dice(tape *autograd.Tape, in inputs) answer {
	x := make([]*autograd.Var, len(in.images))
	for i, im := range in.images {
		x[i] = autograd.Input(im)
	}
	loss, sums := tape.DiceLoss(t.net.Forward(tape, x...), autograd.Input(in.target), device.DiceOptions{
		Eps: t.cfg.Loss.Eps, ForegroundOnly: t.cfg.Loss.LesionOnly, CrossEntropy: t.cfg.Loss.CrossEntropy,
	})
	return answer{loss: loss, sums: sums}
}

func (t segmentation) read(tape *autograd.Tape, a answer, in inputs, _ *sample.Batch) sums {
	return readDice(tape, a, in)
}

// readDice downloads the loss and its sums of the lesion channel.
func readDice(tape *autograd.Tape, a answer, in inputs) sums {
	s := tape.Value(a.sums)
	return sums{Loss: float64(tape.Value(a.loss)[0]), Batches: 1,
		Intersection: float64(s[1]), Predicted: float64(s[classes+1]), Truth: float64(s[2*classes+1]),
		Voxels: float64(in.target.Rows())}
}
