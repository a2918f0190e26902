package train

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"voxgrad/autograd"
	"voxgrad/device"
	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/train/sample"
)

// synthetic trains a detector on pairs made from single images while it trains:
// two copies of a patch are augmented, each by itself, and lesions are taken out
// and put in by the two frozen networks, all on the device.
type synthetic struct{ *trainer }

func (t synthetic) images() int          { return 1 }
func (t synthetic) patches() sample.Kind { return sample.Mixed }

func (t synthetic) draw(p *sample.Sample, s *rng.Stream, training bool) (err error) {
	if training {
		t.turn(p, s)
		t.drawRecipes(p, s, 2)
	}
	p.Plan, err = t.cfg.Synthesis.Plan(s, t.patch(p), t.shapes)
	return err
}

func (t synthetic) upload(b *sample.Batch) inputs {
	shape := batchShape(b)
	in := inputs{images: []device.Tensor{t.dev.Alloc(shape), t.dev.Alloc(shape)}}
	for n, p := range b.Samples {
		pair := [2]device.Tensor{t.augmented(p, 0, 0), t.augmented(p, 0, 1)}
		p.Plan.Run(t.dev, t.painters, pair)
		for time, one := range pair {
			t.dev.PutSample(in.images[time], n, one)
			t.dev.Free(one)
		}
	}
	in.target = t.classTarget(b, func(p *sample.Sample) []bool { return p.Plan.NewLesions() })
	return in
}

func (t synthetic) forward(tape *autograd.Tape, in inputs) answer { return t.dice(tape, in) }

func (t synthetic) read(tape *autograd.Tape, a answer, in inputs, _ *sample.Batch) sums {
	return readDice(tape, a, in)
}

// openPainters loads the two frozen networks and remembers which they are.
func (t *trainer) openPainters() (err error) {
	for _, w := range []struct {
		net        **models.Net
		hash       *string
		path, kind string
	}{
		{&t.painters.Inpainter, &t.state.Inpainter, t.cfg.Synthesis.Inpainter, models.Inpainter},
		{&t.painters.Generator, &t.state.Generator, t.cfg.Synthesis.Generator, models.Generator},
	} {
		b, err := os.ReadFile(w.path)
		if err != nil {
			return fmt.Errorf("cannot read the %s's weights: %w", w.kind, err)
		}
		sum := sha256.Sum256(b)
		*w.hash = hex.EncodeToString(sum[:])
		if *w.net, err = models.Load(t.dev, w.path, w.kind); err != nil {
			return err
		}
	}
	return t.painters.Check()
}
