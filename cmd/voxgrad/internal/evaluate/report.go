package evaluate

import (
	"context"
	"fmt"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/outfile"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// writeReport writes the page of an evaluation. Each case's images are read for
// its section only.
func (j *evaluateJob) writeReport(ctx context.Context, set *outfile.Set, list []dataset.Pair, cases []metrics.Case, sum metrics.Summary) error {
	title := "Evaluation of " + list[0].Name
	if len(list) > 1 {
		title = fmt.Sprintf("Evaluation of %d cases", len(list))
	}
	p := report.NewPage(title)
	p.Footer = cli.PageFooter()
	p.Scores(cases, sum)
	most := j.figures
	if most < 0 {
		most = 12
		if len(list) > 1 {
			most = 4
		}
	}
	bar := cli.NewProgress("drawing", len(list))
	defer func() { bar.Shut() }()
	for n, f := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		s, err := j.scored(f, cases[n].Result)
		if err != nil {
			return err
		}
		if err := p.ScoredCase(s, most); err != nil {
			return err
		}
		bar.Set(n+1, "")
	}
	p.Section("Settings")
	p.Facts(j.opt.Facts()...)
	if len(list) == 1 {
		p.Facts(report.Fact{Name: "truth", Value: list[0].Truth}, report.Fact{Name: "prediction", Value: list[0].Prediction})
	}
	return p.WriteIn(set, j.report)
}

// scored reads the images of a case: the masks as they were measured, everything in the order of
// the truth's voxels.
func (j *evaluateJob) scored(p dataset.Pair, r metrics.Result) (*report.Scored, error) {
	c := &report.Case{Title: p.Name}
	s := &report.Scored{Name: p.Name, Result: r, Images: c, Alpha: j.opt.Alpha}
	truth, err := j.opt.Truth(p.Truth)
	if err != nil {
		return nil, err
	}
	if c.Truth, err = truth.Marked(); err != nil {
		return nil, err
	}
	pred, err := j.opt.Prediction(p.Prediction)
	if err != nil {
		return nil, err
	}
	if c.Mask, err = pred.Marked(); err != nil {
		return nil, err
	}
	inOrder := func(v *volume.Volume) *volume.Volume {
		if same, ok := volume.Reorder(v, c.Truth.Grid); ok {
			return same
		}
		return v // the report says what differs
	}
	c.Mask = inOrder(c.Mask)
	read := func(path string) (*volume.Volume, error) {
		if path == "" {
			return nil, nil
		}
		v, err := volume.Read(path)
		if err != nil {
			return nil, err
		}
		return inOrder(v), nil
	}
	for _, i := range []struct {
		path string
		into **volume.Volume
	}{{p.Flair1, &c.Time1}, {p.Flair2, &c.Time2}, {p.Brain, &c.Brain}, {p.Probability, &c.Prob}} {
		if *i.into, err = read(i.path); err != nil {
			return nil, err
		}
	}
	for _, path := range p.Members {
		m, err := read(path)
		if err != nil {
			return nil, err
		}
		s.Members = append(s.Members, m)
	}
	return s, nil
}
