package pipeline

import (
	"fmt"
	"path/filepath"
	"strings"

	"voxgrad/train/dataset"
)

// set lists a data set's cases, once. Each must have the given number of images.
func (p *Pipeline) set(name string, s Set, images int) (*dataset.Set, error) {
	if d := p.sets[name]; d != nil {
		return d, nil
	}
	d, err := dataset.Open(s.Root, s.Options)
	if err == nil {
		err = d.Need(images, "this part of the pipeline")
	}
	if err != nil {
		return nil, fmt.Errorf("data.%s: %w", name, err)
	}
	d.Warn()
	p.sets[name] = d
	return d, nil
}

// Names of the data sets in the configuration.
const (
	singleSet = "single"
	pairsSet  = "pairs"
	testSet   = "test"
)

func (p *Pipeline) single() (*dataset.Set, error) {
	return p.set(singleSet, p.job.Config.Data.Single, 1)
}

func (p *Pipeline) pairs() (*dataset.Set, error) {
	return p.set(pairsSet, p.job.Config.Data.Pairs, 2)
}

// test is the pairs to score.
func (p *Pipeline) test() (*dataset.Set, error) {
	d, err := p.set(testSet, p.job.Config.Data.Test, 2)
	if err != nil {
		return nil, err
	}
	for _, c := range d.Cases {
		if strings.ContainsAny(c.ID, `/\`) {
			return nil, fmt.Errorf("data.test: case %q cannot name a file", c.ID)
		}
	}
	return d, nil
}

// add hashes a file as an input. It must exist.
func (in *inputs) add(p *Pipeline, name, path string) error {
	h, err := p.hashes.of(path)
	if err == nil {
		in.hashes[name] = h
	}
	return err
}

// weights hashes the weights that a training step left; nothing where s is nil.
func (in *inputs) weights(p *Pipeline, name string, s *Step) error {
	if s == nil {
		return nil
	}
	return in.add(p, name, p.best(s))
}

// What of a case a step reads.
const (
	withImages = 1 << iota
	withMasks
	withMaps
)

// data hashes the cases of a data set: their names, patients and files by content,
// wherever they lie.
func (in *inputs) data(p *Pipeline, name string, d *dataset.Set, what int) error {
	all := map[string]string{}
	for _, c := range d.Cases {
		all[c.ID+"/patient"] = c.Patient
		files := map[string]string{}
		if what&withImages != 0 {
			for t, f := range c.Times {
				files[fmt.Sprintf("time %d", t+1)] = f
			}
			if c.Brain != "" {
				files["brain"] = c.Brain
			}
		}
		if what&withMasks != 0 {
			all[c.ID+"/merge"] = string(c.Merge)
			for n, f := range c.Masks {
				files[fmt.Sprintf("mask %d", n+1)] = f
			}
		}
		if what&withMaps != 0 && c.WhiteMatter != "" {
			files["white matter"] = c.WhiteMatter
		}
		for role, f := range files {
			h, err := p.hashes.of(f)
			if err != nil {
				return fmt.Errorf("case %s: %w", c.ID, err)
			}
			// The ending says how a file is read.
			all[c.ID+"/"+role] = h + filepath.Ext(f)
		}
	}
	in.hashes["data "+name] = hashOf(all)
	return nil
}
