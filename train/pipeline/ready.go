package pipeline

import (
	"fmt"

	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// ready checks what the steps read from outside the folder before the first of
// them begins, so that a mistake in the last one's data does not show after days:
// files, headers, grids, time points, folds. Voxels are not read.
func (p *Pipeline) ready(steps []*Step) error {
	var single, pairs, test, masks, prior bool
	var folds []*training
	for _, s := range steps {
		switch w := s.work.(type) {
		case *training:
			folds = append(folds, w)
			single, pairs = single || w.stage != finetune, pairs || w.stage == finetune
			prior = prior || w.stage == detector
		case *predicting:
			test = true
		case *evaluating, *pageWork:
			test, masks = true, true
		case *thresholding:
			pairs, test, masks = true, true, true
		}
	}
	for _, c := range []struct {
		read  bool
		name  string
		open  func() (*dataset.Set, error)
		masks bool
	}{{single, singleSet, p.single, true}, {pairs, pairsSet, p.pairs, true}, {test, testSet, p.test, masks}} {
		if !c.read {
			continue
		}
		d, err := c.open()
		if err != nil {
			return err
		}
		if err := d.CheckHeaders(p.job.Config.Data.Settings, c.masks); err != nil {
			return fmt.Errorf("data.%s: %w", c.name, err)
		}
	}
	for _, w := range folds {
		t := w.config(p)
		d, name := p.sets[singleSet], singleSet
		if w.stage == finetune {
			d, name = p.sets[pairsSet], pairsSet
		}
		if _, err := d.KFold(t.Seed, t.Data.Folds, t.Data.Fold); err != nil {
			return fmt.Errorf("data.%s: %w", name, err)
		}
	}
	if file := p.job.Config.Synthesis.Prior; prior && file != "" {
		if _, err := volume.ReadHeader(file); err != nil {
			return fmt.Errorf("synthesis.prior: %w", err)
		}
	}
	return nil
}
