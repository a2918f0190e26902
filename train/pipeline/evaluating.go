package pipeline

import (
	"context"
	"errors"

	"voxgrad/metrics"
	"voxgrad/volume"
)

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
	errs := []error{in.data(p, testSet, d, withMasks)}
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
		found, err := volume.Read(p.path(w.predictions().mask(c)))
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
