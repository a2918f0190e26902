package train

import (
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/synth"
	"voxgrad/train/sample"
	"voxgrad/volume"
)

// inpainting trains the network that paints healthy tissue: on patches without a
// lesion, noise hides places that have the shape of other cases' lesions. If patches
// may have lesions, the noise keeps away from them.
type inpainting struct{ restoration }

func (t inpainting) patches() sample.Kind {
	if t.cfg.Sampler.LesionFree {
		return sample.WithoutLesion
	}
	return sample.Anywhere
}

func (t inpainting) draw(p *sample.Sample, s *rng.Stream, training bool) error {
	if training {
		t.turn(p, s)
		t.drawRecipes(p, s, 1)
	}
	patch := t.patch(p)
	var err error
	if patch.Brain, err = awayFrom(patch.Lesions, patch.Brain, p.Size); err != nil {
		return err
	}
	fill, ok, err := t.cfg.Synthesis.InpainterRegion(s, patch, t.shapes)
	if err != nil {
		return err
	}
	if !ok {
		return sample.ErrAgain
	}
	p.Fill, p.FillKey = fill, s.Uint64()
	return nil
}

// awayFrom is the brain without the lesions and all their neighbours.
func awayFrom(lesions, brain []bool, size [3]int) ([]bool, error) {
	// Package volume counts the first axis fastest. Neighbours over corners are √3 away.
	near, err := volume.Dilate(lesions, [3]int{size[2], size[1], size[0]}, volume.Voxels, 1.8)
	if err != nil {
		return nil, err
	}
	return synth.Base(brain, near), nil
}

// upload: what augmentation makes of the patch is the target, and with noise in it
// the input.
func (t inpainting) upload(b *sample.Batch) inputs {
	shape := batchShape(b)
	x, target, filled := t.dev.Alloc(shape), t.dev.Alloc(shape), t.newFilled(shape)
	for n, p := range b.Samples {
		one := t.augmented(p, 0, 0)
		t.dev.PutSample(target, n, one)
		t.keep(filled, n, t.corrupt(one, p))
		t.dev.PutSample(x, n, one)
		t.dev.Free(one)
	}
	return inputs{[]device.Tensor{x}, target, filled}
}
