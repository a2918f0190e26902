package train

import (
	"context"
	"fmt"

	"voxgrad/internal/rng"
	"voxgrad/models"
	"voxgrad/train/dataset"
	"voxgrad/train/sample"
	"voxgrad/volume"
)

// openData finds the cases, splits them, and makes the sources of patches. The
// hooks come last for training samples.
func (t *trainer) openData(ctx context.Context, hooks []sample.Hook) error {
	if err := t.openSet(); err != nil {
		return err
	}
	draw := func(training bool) sample.Hook {
		return func(p *sample.Sample, s *rng.Stream) error { return t.draw.draw(p, s, training) }
	}
	source := func(cases []int, name string, hooks ...sample.Hook) (*sample.Sampler, error) {
		return sample.NewSampler(until{t.loader.View(cases), ctx}, t.draw.patches(), t.cfg.Sampler, t.cfg.Seed, name, hooks...)
	}
	training, err := source(t.split.Train, "sample", append([]sample.Hook{draw(true)}, hooks...)...)
	if err != nil {
		return err
	}
	training.Deform(t.cfg.Resolved().Augmentation.Preset)
	if training.LesionCases() == 0 {
		return fmt.Errorf("data set %s: no training case has a lesion: there is nothing to learn from", t.set.Root)
	}
	valid, err := source(t.split.Valid, "valid", draw(false))
	if err != nil {
		return err
	}
	if t.cfg.Task == models.Generator && valid.LesionCases() == 0 {
		return fmt.Errorf("data set %s: no validation case has a lesion, but a generator is judged by them; choose another fold or fewer folds", t.set.Root)
	}
	t.train, t.valid = training, valid
	if t.cfg.Task == models.Inpainter || t.cfg.Synthesis.On() {
		return t.openShapes(ctx)
	}
	return nil
}

// until is cases that are read only until the context ends.
type until struct {
	sample.Cases
	ctx context.Context
}

func (u until) HasLesions(i int) (bool, error) {
	if err := u.ctx.Err(); err != nil {
		return false, err
	}
	return u.Cases.HasLesions(i)
}

// openSet finds the cases and splits them by patient.
func (t *trainer) openSet() (err error) {
	if t.set, err = dataset.Open(t.cfg.Data.Root, t.cfg.Data.Options); err != nil {
		return err
	}
	what := "task " + t.cfg.Task
	if t.cfg.Synthesis.On() {
		what += " on synthetic pairs"
	}
	if err := t.set.Need(t.draw.images(), what); err != nil {
		return err
	}
	if err := t.set.CheckHeaders(t.cfg.Data.Settings, true, t.cfg.Synthesis.On()); err != nil {
		return err
	}
	t.set.Warn()
	if t.split, err = t.set.KFold(t.cfg.Seed, t.cfg.Data.Folds, t.cfg.Data.Fold); err != nil {
		return err
	}
	t.loader = dataset.NewLoader(t.set, t.cfg.Data.Settings, int64(t.cfg.Data.CacheMB)<<20)
	if !t.cfg.Synthesis.On() {
		return nil
	}
	var prior *volume.Volume
	if t.cfg.Synthesis.Prior != "" {
		if prior, err = volume.Read(t.cfg.Synthesis.Prior); err != nil {
			return err
		}
	}
	t.loader.UseMaps(prior)
	return nil
}

// openShapes collects the shapes of the training cases' lesions.
func (t *trainer) openShapes(ctx context.Context) error {
	o := t.cfg.Synthesis.Options
	for n, i := range t.split.Train {
		if err := ctx.Err(); err != nil {
			return err
		}
		it, err := t.loader.Load(i)
		if err != nil {
			return err
		}
		size := it.Grid().Size
		_, lesions := masks(sample.Cut(it, [3]int{}, size))
		if _, err := t.shapes.Add(it.Case.ID, lesions, size); err != nil {
			return fmt.Errorf("case %s: %w", it.Case.ID, err)
		}
		t.on(Loading{Done: n + 1, Total: len(t.split.Train)})
	}
	if t.shapes.Len() == 0 {
		return fmt.Errorf("data set %s: no training case has a lesion of %d to %d voxels whose shape could be used (synthesis.shape_min_voxels, shape_max_voxels)",
			t.set.Root, o.ShapeMin, o.ShapeMax)
	}
	return nil
}
