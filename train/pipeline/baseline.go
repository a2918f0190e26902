package pipeline

import (
	"context"
	"errors"
	"fmt"
	"path"

	"voxgrad/internal/outfile"
	"voxgrad/metrics"
	"voxgrad/train/dataset"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// thresholding is the method to beat: the difference of the two scans above a
// threshold, chosen for the best mean lesion F1 on the training pairs.
type thresholding struct{}

// baselineFolder holds its masks and scores.
const baselineFolder = "baseline"

// baselineSDs are the thresholds tried, in robust standard deviations.
var baselineSDs = []float64{3, 3.5, 4, 4.5, 5, 6, 7, 8, 10}

func (w *thresholding) json() string { return path.Join(baselineFolder, "scores.json") }
func (w *thresholding) csv() string  { return path.Join(baselineFolder, "scores.csv") }

func (w *thresholding) inputs(p *Pipeline) (*inputs, error) {
	config := flat(p.job.Config.Data.Settings)
	config["thresholds"] = fmt.Sprint(baselineSDs)
	in := &inputs{hashes: map[string]string{}, config: config}
	pairs, err := p.pairs()
	if err != nil {
		return nil, err
	}
	test, err := p.test()
	if err != nil {
		return nil, err
	}
	return in, errors.Join(in.data(p, pairsSet, pairs, dataset.Images|dataset.Masks), in.data(p, testSet, test, dataset.Images|dataset.Masks))
}

func (w *thresholding) outputs(p *Pipeline) ([]string, error) {
	files := []string{w.json(), w.csv()}
	d, err := p.test()
	if err != nil {
		return nil, err
	}
	for _, c := range d.Cases {
		files = append(files, path.Join(baselineFolder, c.ID+newEnding))
	}
	return files, nil
}

func (w *thresholding) places() []string { return []string{baselineFolder} }

func (w *thresholding) run(ctx context.Context, p *Pipeline, s *Step) (*session, error) {
	pairs, err := p.pairs()
	if err != nil {
		return nil, err
	}
	test, err := p.test()
	if err != nil {
		return nil, err
	}
	total := len(pairs.Cases) + len(test.Cases)
	sums := make([]float64, len(baselineSDs))
	for n, c := range pairs.Cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := p.tune(c, sums); err != nil {
			return nil, err
		}
		p.on(Progress{Step: s, Done: n + 1, Total: total})
	}
	best := 0
	for i, x := range sums {
		if x > sums[best] {
			best = i
		}
	}
	tidy, err := outfile.Folder(p.path(baselineFolder))
	if err != nil {
		return nil, err
	}
	defer tidy()
	var cases []metrics.Case
	for n, c := range test.Cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		found, err := p.differences(c, baselineSDs[best:best+1])
		if err != nil {
			return nil, err
		}
		if err := volume.WriteMask(p.path(baselineFolder, c.ID+newEnding), found[0]); err != nil {
			return nil, err
		}
		m, err := score(c, found[0])
		if err != nil {
			return nil, err
		}
		cases = append(cases, m)
		p.on(Progress{Step: s, Done: len(pairs.Cases) + n + 1, Total: total})
	}
	return &session{}, writeScores(p.path(w.json()), p.path(w.csv()), cases, map[string]any{"threshold_sds": baselineSDs[best]})
}

// tune adds a training pair's lesion F1 at each threshold.
func (p *Pipeline) tune(c dataset.Case, sums []float64) error {
	truth, err := dataset.ReadMask(c)
	if err != nil {
		return err
	}
	found, err := p.differences(c, baselineSDs)
	if err != nil {
		return err
	}
	opt := metrics.DefaultOptions()
	opt.Groups = metrics.LesionGroup
	for i, f := range found {
		r, err := metrics.Evaluate(truth, f, opt)
		if err != nil {
			return fmt.Errorf("case %s: %w", c.ID, err)
		}
		if r.Lesion != nil && r.Lesion.F1 == r.Lesion.F1 {
			sums[i] += r.Lesion.F1
		}
	}
	return nil
}

// differences is the baseline's masks of a case at some thresholds.
func (p *Pipeline) differences(c dataset.Case, sds []float64) ([]*volume.Mask, error) {
	images, err := p.images(c)
	if err != nil {
		return nil, err
	}
	var out []*volume.Mask
	for _, x := range sds {
		o := volume.DefaultDifference()
		o.SDs = x
		m, err := volume.DifferenceBaseline(images.Aligned[0], images.Aligned[1], images.Masked, o)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", c.ID, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// images are a case's time points on one grid, and its brain.
func (p *Pipeline) images(c dataset.Case) (*prep.Prepared, error) {
	images, err := dataset.ReadImages(c)
	if err == nil {
		var out *prep.Prepared
		if out, err = prep.Align(images, p.job.Config.Data.Settings); err == nil {
			return out, nil
		}
	}
	return nil, fmt.Errorf("case %s: %w", c.ID, err)
}
