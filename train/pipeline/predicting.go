package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"

	"voxgrad/models"
	"voxgrad/train/dataset"
	"voxgrad/train/infer"
	"voxgrad/volume"
)

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
	settings := p.job.Config.Predict
	settings.Pictures = 0
	config, err := flat(struct {
		Predict Predict `toml:"predict"`
		Data    any     `toml:"data"`
	}{settings, p.job.Config.Data.Settings})
	if err != nil {
		return nil, err
	}
	in := &inputs{hashes: map[string]string{}, config: config}
	d, err := p.test()
	if err != nil {
		return nil, err
	}
	errs := []error{in.data(p, testSet, d, withImages)}
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
	if err := os.MkdirAll(p.path(w.folder()), 0o777); err != nil {
		return nil, err
	}
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
		times, brain, err := dataset.ReadImages(c, opt.Settings)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", c.ID, err)
		}
		r, err := infer.Predict(ctx, members, times, brain, opt)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", c.ID, err)
		}
		if err := volume.Write(p.path(w.prob(c)), r.Prob, volume.Float32); err != nil {
			return nil, err
		}
		if err := volume.Write(p.path(w.mask(c)), r.Mask, volume.Uint8); err != nil {
			return nil, err
		}
		p.on(Progress{Step: s, Done: n + 1, Total: len(d.Cases)})
	}
	return &session{}, nil
}
