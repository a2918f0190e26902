package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path"

	"voxgrad/models"
	"voxgrad/train"
)

// training is a stage of one member, or one that all members share.
type training struct {
	prefix, stage string
	method        Method
	member        int

	// Steps whose weights this one reads; nil where it does not.
	encoder, start, inpainter, generator *Step
}

// trainConfig is a stage's configuration without the weights files of other
// stages, for which it has names that are not files.
func (c Config) trainConfig(stage string, m Method, member int) train.Config {
	task := stage
	if stage == finetune {
		task = models.Detector
	}
	var s Stage
	for _, known := range c.stages() {
		if known.Name == stage {
			s = *known.Stage
		}
	}
	t := train.Defaults(task)
	t.Seed, t.Augment, t.Augmentation = c.Seed, s.Augment, s.Augmentation
	t.Network, t.Sampler, t.Loss, t.Adam, t.Run = s.Network, s.Sampler, s.Loss, s.Adam, s.Run
	set := c.Data.Single
	if stage == finetune {
		set = c.Data.Pairs
	}
	t.Data.Settings, t.Data.CacheMB, t.Data.Root, t.Data.Options, t.Data.Folds = c.Data.Settings, c.Data.CacheMB, set.Root, set.Options, c.Folds
	if set.Folds > 0 {
		t.Data.Folds = set.Folds
	}
	t.Data.Fold = member % t.Data.Folds
	if stage == inpainter || stage == generator {
		t.Synthesis.Options = c.Synthesis.Options // regions and shapes
	}
	if task != models.Detector {
		return t
	}
	t.FreezeEncoder = m.Transfer
	if !m.Augmentation && t.Augment != "none" {
		t.Augment = "paper-baseline"
	}
	switch {
	case stage == detector:
		t.Synthesis = c.Synthesis
		t.Synthesis.Inpainter, t.Synthesis.Generator = inpainter, generator
		if m.Transfer {
			t.Encoder = segmenter
		}
	case m.Synthesis:
		t.Start = detector
	case m.Transfer:
		t.Encoder = segmenter
	}
	if stage == finetune && !m.Synthesis && m.EqualSteps {
		d := c.Detector.Run
		t.Run.Epochs += (d.Epochs*d.Steps + t.Run.Steps - 1) / t.Run.Steps
	}
	return t
}

// config is the stage's configuration with the files of this folder.
func (w *training) config(p *Pipeline) train.Config {
	t := p.job.Config.trainConfig(w.stage, w.method, w.member)
	for _, f := range []struct {
		file *string
		step *Step
	}{{&t.Encoder, w.encoder}, {&t.Start, w.start}, {&t.Synthesis.Inpainter, w.inpainter}, {&t.Synthesis.Generator, w.generator}} {
		if f.step != nil {
			*f.file = p.best(f.step)
		}
	}
	return t
}

func (w *training) folder() string { return path.Join(w.prefix, w.stage, foldName(w.member)) }

// best is where a training step leaves its weights.
func (p *Pipeline) best(s *Step) string {
	return p.path(s.work.(*training).folder(), train.BestFile)
}

// settings are those that the result depends on: no paths, nothing about the pace.
func (w *training) settings(p *Pipeline) (map[string]string, error) {
	t := w.config(p)
	t.Data.Root, t.Encoder, t.Start, t.Synthesis.Inpainter, t.Synthesis.Generator = "", "", "", "", ""
	t.Synthesis.Prior = ""
	t.Data.CacheMB, t.Run.Ahead, t.Run.SaveEvery = 0, 0, 0
	text, err := t.TOML()
	if err != nil {
		return nil, err
	}
	return flatText(text)
}

func (w *training) inputs(p *Pipeline) (*inputs, error) {
	config, err := w.settings(p)
	if err != nil {
		return nil, err
	}
	in := &inputs{hashes: map[string]string{}, config: config}
	name, set := singleSet, p.single
	if w.stage == finetune {
		name, set = pairsSet, p.pairs
	}
	d, err := set()
	if err != nil {
		return nil, err
	}
	what := withImages | withMasks
	if w.stage == detector {
		what |= withMaps
		if prior := p.job.Config.Synthesis.Prior; prior != "" {
			if err := in.add(p, "synthesis.prior", prior); err != nil {
				return nil, err
			}
		}
	}
	return in, errors.Join(
		in.data(p, name, d, what),
		in.weights(p, "encoder", w.encoder), in.weights(p, "start", w.start),
		in.weights(p, inpainter, w.inpainter), in.weights(p, generator, w.generator))
}

func (w *training) outputs(*Pipeline) ([]string, error) {
	return []string{path.Join(w.folder(), train.BestFile), path.Join(w.folder(), "metrics.csv")}, nil
}

func (w *training) places() []string { return []string{w.folder()} }

func (w *training) run(ctx context.Context, p *Pipeline, s *Step) (*session, error) {
	sum, err := train.Run(ctx, train.Job{Device: p.job.Device, Config: w.config(p), Folder: p.path(w.prefix, w.stage), Resume: true,
		Events: func(e train.Event) { p.on(Training{Step: s, Event: e}) }})
	if err != nil {
		return nil, fmt.Errorf("step %s: %w", s.Name, err)
	}
	if sum.Reason == train.Interrupted {
		return nil, ErrInterrupted
	}
	return &session{steps: sum.Steps, session: sum.SessionSteps}, nil
}
