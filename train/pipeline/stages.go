package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"voxgrad/internal/outfile"
	"voxgrad/internal/settings"
	"voxgrad/metrics"
	"voxgrad/models"
	"voxgrad/train"
	"voxgrad/train/dataset"
	"voxgrad/train/infer"
	"voxgrad/train/prep"
	"voxgrad/volume"
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
	t.Data.Settings, t.Data.CacheMB, t.Data.Root, t.Data.Options, t.Data.Folds = c.Data.Settings, c.Data.CacheMB, set.Root, set.Options, cmp.Or(set.Folds, c.Folds)
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

// pairParts is in how many parts the pairs are split.
func (c Config) pairParts() int { return cmp.Or(c.Data.Pairs.Folds, c.Folds) }

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

// flat is the settings of a struct by their full names.
func flat(v any) map[string]string {
	out := map[string]string{}
	for _, k := range settings.Keys(v) {
		out[k.Path] = fmt.Sprint(k.Value)
	}
	return out
}

// settings are those that the result depends on: no paths, nothing about the pace.
func (w *training) settings(p *Pipeline) map[string]string {
	t := w.config(p)
	t.Data.Root, t.Encoder, t.Start, t.Synthesis.Inpainter, t.Synthesis.Generator = "", "", "", "", ""
	t.Synthesis.Prior = ""
	t.Data.CacheMB, t.Run.Ahead, t.Run.SaveEvery = 0, 0, 0
	return flat(t.Resolved())
}

func (w *training) inputs(p *Pipeline) (*inputs, error) {
	in := &inputs{hashes: map[string]string{}, config: w.settings(p)}
	name, set := singleSet, p.single
	if w.stage == finetune {
		name, set = pairsSet, p.pairs
	}
	d, err := set()
	if err != nil {
		return nil, err
	}
	what := dataset.Images | dataset.Masks
	if w.stage == detector {
		what |= dataset.Maps
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
		Limit: p.job.Limit, HostLimit: p.job.HostLimit, OpenDry: p.job.OpenDry, Version: p.job.Version, Commit: p.job.Commit, HashFile: p.hashes.of,
		Events: func(e train.Event) { p.on(Training{Step: s, Event: e}) }})
	if err != nil {
		return nil, fmt.Errorf("step %s: %w", s.Name, err)
	}
	if sum.Reason == train.Interrupted {
		return nil, ErrInterrupted
	}
	return &session{steps: sum.Steps, session: sum.SessionSteps}, nil
}

// predicting applies the ensemble to the test pairs.
type predicting struct {
	prefix  string
	members []*Step
}

// Endings of the files of a case.
const (
	newEnding  = "_new.nii.gz"
	probEnding = "_probability.nii.gz"
)

func (w *predicting) folder() string { return path.Join(w.prefix, "predictions") }

func (w *predicting) inputs(p *Pipeline) (*inputs, error) {
	predict := p.job.Config.Predict
	predict.Pictures, predict.OutOfFold = 0, false
	config := flat(struct {
		Predict Predict       `toml:"predict"`
		Data    prep.Settings `toml:"data"`
	}{predict, p.job.Config.Data.Settings})
	in := &inputs{hashes: map[string]string{}, config: config}
	d, err := p.test()
	if err != nil {
		return nil, err
	}
	errs := []error{in.data(p, testSet, d, dataset.Images)}
	for k, m := range w.members {
		errs = append(errs, in.weights(p, fmt.Sprintf("member %d", k), m))
	}
	return in, errors.Join(errs...)
}

func (w *predicting) outputs(p *Pipeline) (files []string, err error) {
	d, err := p.test()
	if err != nil {
		return nil, err
	}
	for _, c := range d.Cases {
		files = append(files, w.mask(c), w.prob(c))
	}
	return files, nil
}

func (w *predicting) mask(c dataset.Case) string { return path.Join(w.folder(), c.ID+newEnding) }
func (w *predicting) prob(c dataset.Case) string { return path.Join(w.folder(), c.ID+probEnding) }

func (w *predicting) places() []string { return []string{w.folder()} }

// run predicts the cases that an earlier run did not come to; of a case the mask is
// written last.
func (w *predicting) run(ctx context.Context, p *Pipeline, s *Step) (*session, error) {
	d, err := p.test()
	if err != nil {
		return nil, err
	}
	tidy, err := outfile.Folder(p.path(w.folder()))
	if err != nil {
		return nil, err
	}
	defer tidy()
	var members []infer.Member
	for _, m := range w.members {
		net, err := models.Load(p.job.Device, p.best(m), models.Detector)
		if err != nil {
			return nil, err
		}
		defer net.Free()
		members = append(members, infer.Keep(net))
	}
	opt := p.job.Config.predictOptions()
	for n, c := range d.Cases {
		if _, err := os.Stat(p.path(w.mask(c))); err == nil {
			continue
		}
		images, err := dataset.ReadImages(c)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", c.ID, err)
		}
		r, err := infer.Predict(ctx, members, images, opt)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", c.ID, err)
		}
		if err := volume.Write(p.path(w.prob(c)), r.Prob, volume.Float32); err != nil {
			return nil, err
		}
		if err := volume.WriteMask(p.path(w.mask(c)), r.Mask); err != nil {
			return nil, err
		}
		p.on(Progress{Step: s, Done: n + 1, Total: len(d.Cases)})
	}
	return &session{}, nil
}

// evaluating scores the predictions.
type evaluating struct {
	prefix  string
	predict *Step
}

func (w *evaluating) json() string { return w.prefix + "scores.json" }
func (w *evaluating) csv() string  { return w.prefix + "scores.csv" }

func (w *evaluating) predictions() *predicting { return w.predict.work.(*predicting) }

func (w *evaluating) inputs(p *Pipeline) (*inputs, error) {
	d, err := p.test()
	if err != nil {
		return nil, err
	}
	in := &inputs{hashes: map[string]string{}, config: map[string]string{}}
	errs := []error{in.data(p, testSet, d, dataset.Masks)}
	for _, c := range d.Cases {
		errs = append(errs, in.add(p, "mask of "+c.ID, p.path(w.predictions().mask(c))))
	}
	return in, errors.Join(errs...)
}

func (w *evaluating) outputs(*Pipeline) ([]string, error) {
	return []string{w.json(), w.csv()}, nil
}

func (w *evaluating) places() []string { return []string{w.json(), w.csv()} }

func (w *evaluating) run(ctx context.Context, p *Pipeline, s *Step) (*session, error) {
	d, err := p.test()
	if err != nil {
		return nil, err
	}
	var cases []metrics.Case
	for n, c := range d.Cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found, err := volume.ReadMask(p.path(w.predictions().mask(c)))
		if err != nil {
			return nil, err
		}
		m, err := score(c, found)
		if err != nil {
			return nil, err
		}
		cases = append(cases, m)
		p.on(Progress{Step: s, Done: n + 1, Total: len(d.Cases)})
	}
	return &session{}, writeScores(p.path(w.json()), p.path(w.csv()), cases, nil)
}
