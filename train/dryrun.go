package train

import (
	"errors"

	"voxgrad/augment"
	"voxgrad/internal/rng"
	"voxgrad/layers"
	"voxgrad/models"
	"voxgrad/synth"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
)

// dryRun is the trainer on a dry device.
type dryRun struct {
	d           DryDevice
	t           *trainer
	full, plain *sample.Sample
	kept        int64
}

// newDryRun builds the network, its optimiser and the frozen networks. The run is
// not nil if that failed for the device's sake.
func newDryRun(c Config, open OpenDry, limit int64) (*dryRun, error) {
	if err := resolveWidth(&c); err != nil {
		return nil, err
	}
	if c.Task == models.Detector && c.Encoder == "" && c.Start == "" && c.FreezeEncoder {
		c.Encoder = "any" // its weights do not matter here
	}
	d, err := open(limit)
	if err != nil {
		return nil, err
	}
	t, err := newTrainer(c, d.Backend, nil)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	r := &dryRun{d: d, t: t}
	if r.full, r.plain, err = t.blank(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	// As for a resumed run, whose weights come with the checkpoint.
	if err := t.openNet(true); err != nil {
		return r, err
	}
	if c.Synthesis.On() {
		err = t.openPainters()
	}
	return r, err
}

// work does two steps and a validation batch.
func (r *dryRun) work(batch int) error {
	r.t.cfg.Run.Batch = batch
	b := blankBatch(r.full, r.plain, batch)
	r.d.ResetPeak()
	for range 2 {
		if _, err := r.t.step(b); err != nil {
			return err
		}
	}
	r.kept, _ = r.d.Usage()
	r.t.net.SetMode(layers.Eval)
	defer r.t.net.SetMode(layers.Train)
	_, err := r.t.evaluate(b)
	return err
}

func (r *dryRun) memory() Memory {
	m := Memory{Batch: r.t.cfg.Run.Batch, Kept: r.kept}
	_, m.Peak = r.d.Usage()
	m.Taken = m.Peak
	if r.d.Taken != nil {
		m.Taken = r.d.Taken()
	}
	return m
}

// blankRecipes is how many recipes a blank sample goes through, one after another:
// enough that each of the preset's transforms is among them.
const blankRecipes = 64

// blank is two empty patches. For the first all is done that may be done for a
// patch: augmentation by all transforms, and painting by both networks at both time
// points. The other is left as it is: patches are prepared one by one, so that one of
// the first kind in a batch takes as much memory as many.
func (t *trainer) blank() (full, plain *sample.Sample, err error) {
	size := t.cfg.Sampler.Patch
	voxels := size[0] * size[1] * size[2]
	plain = &sample.Sample{Case: "blank", Size: size, Labels: make([]uint8, voxels), Fill: make([]bool, voxels)}
	for range t.task.images() {
		plain.Images = append(plain.Images, make([]float32, voxels))
	}
	for v := range plain.Labels {
		plain.Labels[v] = dataset.Brain
	}
	plain.Labels[0] |= dataset.Lesion
	copied := *plain
	full = &copied
	s := rng.New(0, "blank")
	var all augment.Recipe
	for range blankRecipes {
		all = append(all, t.cfg.Augmentation.Draw(s, size)...)
	}
	full.Recipes = []augment.Recipe{all, all}
	if !t.cfg.Synthesis.On() {
		return full, plain, nil
	}
	o := synth.Defaults()
	o.ShapeMin, o.ErodeMM, o.Tries = 1, 0, 1000
	lib := synth.NewLibrary(o)
	if _, err := lib.Add("shape", []bool{true}, [3]int{1, 1, 1}); err != nil {
		return nil, nil, err
	}
	o.Kept, o.RemovedTime1, o.RemovedTime2, o.RemovedBoth = 1, 0, 0, 0
	o.GeneratedMax = 0
	if plain.Plan, err = o.Plan(s, patchOf(plain, ""), lib); err != nil {
		return nil, nil, err
	}
	o.Kept, o.RemovedBoth = 0, 1
	o.GeneratedMin, o.GeneratedMax = 1, 1
	o.GeneratedTime1, o.GeneratedTime2, o.GeneratedBoth = 0, 0, 1
	full.Plan, err = o.Plan(s, patchOf(full, ""), lib)
	return full, plain, err
}

// blankBatch is one full sample and plain ones.
func blankBatch(full, plain *sample.Sample, batch int) *sample.Batch {
	b := &sample.Batch{Samples: []*sample.Sample{full}}
	for len(b.Samples) < batch {
		b.Samples = append(b.Samples, plain)
	}
	return b
}
