package pipeline

import (
	"fmt"

	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// ready checks what the steps read from outside the folder before the first of
// them begins, so that a mistake in the last one's data does not show after days:
// files, headers, grids, time points, folds. Voxels are read of the maps of likely
// places alone, with one case to hold them against.
func (p *Pipeline) ready(steps []*Step) error {
	var single, pairs, test, masks, maps bool
	var folds []*training
	for _, s := range steps {
		switch w := s.work.(type) {
		case *training:
			folds = append(folds, w)
			single, pairs = single || w.stage != finetune, pairs || w.stage == finetune
			maps = maps || w.stage == detector
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
		maps  bool
	}{{single, singleSet, p.single, true, maps}, {pairs, pairsSet, p.pairs, true, false}, {test, testSet, p.test, masks, false}} {
		if !c.read {
			continue
		}
		d, err := c.open()
		if err != nil {
			return err
		}
		if err := d.CheckHeaders(p.job.Config.Data.Settings, c.masks, c.maps); err != nil {
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
	if !maps {
		return nil
	}
	prior := p.job.Config.Synthesis.Prior
	if prior != "" { // its own mistakes with its own name, without the case's work
		if _, err := volume.ReadHeader(prior); err != nil {
			return fmt.Errorf("synthesis.prior: %w", err)
		}
	}
	if err := p.sets[singleSet].CheckMaps(p.job.Config.Data.Settings, prior); err != nil {
		return fmt.Errorf("maps of likely places (synthesis.prior, white_matter of data.single): %w", err)
	}
	return nil
}
