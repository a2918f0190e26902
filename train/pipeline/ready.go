package pipeline

import (
	"fmt"
	"path/filepath"
	"slices"

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
		case *leavingOut:
			pairs = true
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
	if test {
		p.warnSeen()
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

// warnSeen tells of test images that are also trained on, as far as they are the
// same files.
func (p *Pipeline) warnSeen() {
	trained := map[string]bool{}
	for _, name := range []string{singleSet, pairsSet} {
		if d := p.sets[name]; d != nil {
			for _, c := range d.Cases {
				for _, f := range c.Times {
					trained[realPath(f)] = true
				}
			}
		}
	}
	var seen []string
	for _, c := range p.sets[testSet].Cases {
		if slices.ContainsFunc(c.Times, func(f string) bool { return trained[realPath(f)] }) {
			seen = append(seen, c.ID)
		}
	}
	if len(seen) > 0 {
		p.on(Warned{fmt.Sprintf("%d of %d test pairs are also trained on (%s): their scores say nothing about scans that the networks have not seen",
			len(seen), len(p.sets[testSet].Cases), summary(seen))})
	}
}

func realPath(file string) string {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	return file
}
