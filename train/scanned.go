package train

import (
	"fmt"

	"voxgrad/internal/text"
	"voxgrad/internal/warn"
	"voxgrad/synth"
	"voxgrad/train/dataset"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// openScans finds the scans that lesions are drawn into and splits them as a data set is split.
func (t *trainer) openScans(training, valid *drawn) (err error) {
	if t.set, err = t.cfg.scanSet(); err != nil {
		return err
	}
	split, err := t.cfg.splitScans(t.set)
	if err != nil {
		return err
	}
	if n := len(t.set.Patients()); t.cfg.Data.Folds > n {
		warn.Once("%s: %s cannot be split into %d folds: their scans are drawn from in training and in validation, whose scores then say less", t.cfg.Labels.Scans, text.Plural(n, "patient"), t.cfg.Data.Folds)
	}
	t.set.Warn()
	scans := t.cfg.scanAnatomies(t.set)
	training.scans, training.scanned = scans, split.Train
	valid.scans, valid.scanned = scans, split.Valid
	return nil
}

// scanSet finds the scans.
func (c Config) scanSet() (*dataset.Set, error) {
	set, err := dataset.Open(c.Labels.Scans, c.Data.Options)
	if err != nil {
		return nil, err
	}
	if err := set.Need(1, "labels.scans"); err != nil {
		return nil, err
	}
	return set, set.CheckHeaders(c.Data.Settings, false, false)
}

// splitScans keeps scans for validation as splitLabels does label maps; fewer patients than folds are in both parts.
func (c Config) splitScans(set *dataset.Set) (dataset.Split, error) {
	if c.Data.Folds > len(set.Patients()) {
		c.Data.Folds, c.Data.Fold = 1, 0
	}
	return set.KFold(c.Seed, c.Data.Folds, c.Data.Fold)
}

func (c Config) scanAnatomies(set *dataset.Set) *anatomies {
	return newAnatomies(len(set.Cases), func(i int) (*synth.Anatomy, error) { return scanAnatomy(set.Cases[i], c.Data.Settings) })
}

// scanAnatomy is a case as a head to draw from. Its mask of lesions, if it has one, tells where nothing new is drawn.
func scanAnatomy(c dataset.Case, s prep.Settings) (*synth.Anatomy, error) {
	images, err := dataset.ReadImages(c)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", c.ID, err)
	}
	p, err := prep.Images(images, s)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", c.ID, err)
	}
	if p.Brain == nil {
		return nil, fmt.Errorf("case %s has no brain mask and is not stripped: prepare it ('voxgrad prepare')", c.ID)
	}
	var lesions *volume.Mask
	if len(c.Masks) > 0 {
		if lesions, err = dataset.ReadMask(c); err != nil {
			return nil, err
		}
		if lesions, err = lesions.On(images.Times[0]); err != nil {
			return nil, fmt.Errorf("case %s: %w", c.ID, err)
		}
		lesions = lesions.Resample(p.Grid())
	}
	a, err := synth.AnatomyOfScan(c.ID, p.Images[0], p.Brain, lesions, synth.AtlasTissues(p.Grid()))
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", c.ID, err)
	}
	return a, nil
}
