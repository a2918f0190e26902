package evaluate

import (
	"fmt"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/scoring"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/volume"
)

// writeReport writes the page of an evaluation. Each case's images are read for
// its section only.
func (j *evaluateJob) writeReport(list []scoring.Files, cases []metrics.Case, sum metrics.Summary) error {
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
		s, err := scored(f, cases[n].Result, j.opt)
		if err != nil {
			return err
		}
		if err := p.ScoredCase(s, most); err != nil {
			return err
		}
		bar.Set(n+1, "")
	}
	p.Section("Settings")
	p.Facts(scoring.Facts(j.opt)...)
	if len(list) == 1 {
		p.Facts(report.Fact{Name: "truth", Value: list[0].Truth}, report.Fact{Name: "prediction", Value: list[0].Prediction})
	}
	return p.Write(j.report)
}

// scored reads the images of a case.
func scored(f scoring.Files, r metrics.Result, o metrics.Options) (*report.Scored, error) {
	c := &report.Case{Title: f.Name}
	s := &report.Scored{Name: f.Name, Result: r, Images: c, Alpha: o.Alpha}
	read := func(path string, into **volume.Volume) error {
		if path == "" {
			return nil
		}
		v, err := volume.Read(path)
		*into = v
		return err
	}
	for _, i := range []struct {
		path string
		into **volume.Volume
	}{{f.Truth, &c.Truth}, {f.Prediction, &c.Mask}, {f.Flair1, &c.Time1}, {f.Flair2, &c.Time2}, {f.Brain, &c.Brain}, {f.Probability, &c.Prob}} {
		if err := read(i.path, i.into); err != nil {
			return nil, err
		}
	}
	for _, path := range f.Members {
		var m *volume.Volume
		if err := read(path, &m); err != nil {
			return nil, err
		}
		s.Members = append(s.Members, m)
	}
	return s, nil
}
