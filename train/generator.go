package train

import (
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/train/sample"
)

// generation trains the network that paints lesions: on patches with lesions, an
// augmented copy with noise in place of the lesions is the first channel of the
// input, the lesion mask the second, and the original patch the target.
type generation struct{ restoration }

func (t generation) patches() sample.Kind { return sample.WithLesion }

func (t generation) draw(p *sample.Sample, s *rng.Stream, training bool) error {
	if training {
		t.turn(p, s)
		t.drawRecipes(p, s, 1)
	}
	_, p.Fill = masks(p)
	p.FillKey = s.Uint64()
	return nil
}

func (t generation) upload(b *sample.Batch) inputs {
	shape := batchShape(b)
	x, target, filled := t.dev.Alloc(shape.WithC(2)), t.dev.Alloc(shape), t.newFilled(shape)
	for n, p := range b.Samples {
		one := t.image(p, 0)
		t.dev.PutSample(target, n, one)
		t.augment(one, p, 0)
		region := t.corrupt(one, p)
		two := t.dev.Alloc(one.Shape.WithC(2))
		t.dev.Concat(two, one, region)
		t.dev.PutSample(x, n, two)
		t.dev.Free(one)
		t.keep(filled, n, region)
		t.dev.Free(two)
	}
	return inputs{[]device.Tensor{x}, target, filled}
}
