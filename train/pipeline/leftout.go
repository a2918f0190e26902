package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
	"voxgrad/models"
	"voxgrad/train/dataset"
	"voxgrad/train/infer"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// leavingOut predicts each training pair by the member that was not trained on it: what a threshold can be chosen
// by, and the least size of a lesion, without the test pairs.
type leavingOut struct {
	prefix  string
	members []*Step // of one part each
}

// leftOut is a training pair, and the number of the member that left it out.
type leftOut struct {
	dataset.Case
	member int
}

func (w *leavingOut) folder() string { return path.Join(w.prefix, outOfFold) }

// truth and prob of a case have one name, by which 'weights choose' finds them.
func (w *leavingOut) truth(c leftOut) string { return path.Join(w.folder(), "truth", c.ID+".nii.gz") }
func (w *leavingOut) prob(c leftOut) string {
	return path.Join(w.folder(), "probability", c.ID+".nii.gz")
}

// cases are the pairs that a member left out: all of them where there is a member for each part.
func (w *leavingOut) cases(p *Pipeline) (out []leftOut, err error) {
	d, err := p.pairs()
	if err != nil {
		return nil, err
	}
	for k, m := range w.members {
		t := m.work.(*training).config(p)
		split, err := d.KFold(t.Seed, t.Data.Folds, t.Data.Fold)
		if err != nil {
			return nil, fmt.Errorf("data.%s: %w", pairsSet, err)
		}
		for _, i := range split.Valid {
			c := d.Cases[i]
			if strings.ContainsAny(c.ID, `/\`) {
				return nil, fmt.Errorf("data.%s: case %q cannot name a file; predict.out_of_fold = false leaves the maps of the training pairs out", pairsSet, text.Clean(c.ID))
			}
			out = append(out, leftOut{c, k})
		}
	}
	return out, nil
}

func (w *leavingOut) inputs(p *Pipeline) (*inputs, error) {
	predict := p.job.Config.Predict
	predict.Pictures = 0
	in := &inputs{hashes: map[string]string{}, config: flat(struct {
		Predict Predict       `toml:"predict"`
		Data    prep.Settings `toml:"data"`
	}{predict, p.job.Config.Data.Settings})}
	cases, err := w.cases(p)
	if err != nil {
		return nil, err
	}
	for _, c := range cases {
		in.config["member of "+c.ID] = fmt.Sprint(c.member)
	}
	d, err := p.pairs()
	if err != nil {
		return nil, err
	}
	errs := []error{in.data(p, pairsSet, d, dataset.Images|dataset.Masks)}
	for k, m := range w.members {
		errs = append(errs, in.weights(p, fmt.Sprintf("member %d", k), m))
	}
	return in, errors.Join(errs...)
}

func (w *leavingOut) outputs(p *Pipeline) (files []string, err error) {
	cases, err := w.cases(p)
	if err != nil {
		return nil, err
	}
	for _, c := range cases {
		files = append(files, w.truth(c), w.prob(c))
	}
	return files, nil
}

func (w *leavingOut) places() []string { return []string{w.folder()} }

// run predicts the cases that an earlier run did not come to; of a case the map is written last.
func (w *leavingOut) run(ctx context.Context, p *Pipeline, s *Step) (*session, error) {
	cases, err := w.cases(p)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"truth", "probability"} {
		tidy, err := outfile.Folder(p.path(w.folder(), dir))
		if err != nil {
			return nil, err
		}
		defer tidy()
	}
	opt := p.job.Config.predictOptions()
	opt.WithoutImages = true
	var member *models.Net
	defer func() {
		if member != nil {
			member.Free()
		}
	}()
	loaded := -1
	for n, c := range cases {
		if _, err := os.Stat(p.path(w.prob(c))); err == nil {
			continue
		}
		if c.member != loaded {
			if member != nil {
				member.Free()
			}
			if member, err = models.Load(p.job.Device, p.best(w.members[c.member]), models.Detector); err != nil {
				return nil, err
			}
			loaded = c.member
		}
		images, err := dataset.ReadImages(c.Case)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", c.ID, err)
		}
		truth, err := dataset.ReadMask(c.Case)
		if err != nil {
			return nil, err
		}
		r, err := infer.Predict(ctx, []infer.Member{infer.Keep(member)}, images, opt)
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", c.ID, err)
		}
		if err := volume.WriteMask(p.path(w.truth(c)), truth); err != nil {
			return nil, err
		}
		if err := volume.Write(p.path(w.prob(c)), r.Prob, volume.Float32); err != nil {
			return nil, err
		}
		p.on(Progress{Step: s, Done: n + 1, Total: len(cases)})
	}
	return &session{}, nil
}
