package train

import (
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/train/sample"
)

// inpainting trains the network that paints healthy tissue: on patches without a
// lesion, noise hides places that have the shape of other cases' lesions.
type inpainting struct{ restoration }

func (t inpainting) patches() sample.Kind { return sample.WithoutLesion }

func (t inpainting) draw(p *sample.Sample, s *rng.Stream, training bool) error {
	if training {
		t.turn(p, s)
		t.drawRecipes(p, s, 1)
	}
	fill, ok, err := t.cfg.Synthesis.InpainterRegion(s, t.patch(p), t.shapes)
	if err != nil {
		return err
	}
	if !ok {
		return sample.ErrAgain
	}
	p.Fill, p.FillKey = fill, s.Uint64()
	return nil
}

// upload: what augmentation makes of the patch is the target, and with noise in it
// the input.
func (t inpainting) upload(b *sample.Batch) inputs {
	shape := batchShape(b)
	x, target := t.dev.Alloc(shape), t.dev.Alloc(shape)
	for n, p := range b.Samples {
		one := t.augmented(p, 0, 0)
		t.dev.PutSample(target, n, one)
		t.dev.Free(t.corrupt(one, p))
		t.dev.PutSample(x, n, one)
		t.dev.Free(one)
	}
	return inputs{[]device.Tensor{x}, target}
}
