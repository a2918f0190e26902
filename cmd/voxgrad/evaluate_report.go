package main

import (
	"fmt"

	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/volume"
)

// writeReport writes the page of an evaluation. Each case's images are read for
// its section only.
func (j *evaluateJob) writeReport(list []evaluateFiles, cases []metrics.Case, sum metrics.Summary) error {
	title := "Evaluation of " + list[0].name
	if len(list) > 1 {
		title = fmt.Sprintf("Evaluation of %d cases", len(list))
	}
	p := report.NewPage(title)
	p.Footer = pageFooter()
	p.Scores(cases, sum)
	most := j.figures
	if most < 0 {
		most = 12
		if len(list) > 1 {
			most = 4
		}
	}
	bar := newProgress("drawing", len(list))
	defer func() { bar.shut() }()
	for n, f := range list {
		s, err := f.scored(cases[n].Result, j.opt)
		if err != nil {
			return err
		}
		if err := p.ScoredCase(s, most); err != nil {
			return err
		}
		bar.set(n+1, "")
	}
	p.Section("Settings")
	p.Facts(scoringFacts(j.opt)...)
	if len(list) == 1 {
		p.Facts(report.Fact{Name: "truth", Value: list[0].truth}, report.Fact{Name: "prediction", Value: list[0].pred})
	}
	return p.Write(j.report)
}

// scored reads the images of a case.
func (f *evaluateFiles) scored(r metrics.Result, o metrics.Options) (*report.Scored, error) {
	c := &report.Case{Title: f.name}
	s := &report.Scored{Name: f.name, Result: r, Images: c, Alpha: o.Alpha}
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
	}{{f.truth, &c.Truth}, {f.pred, &c.Mask}, {f.flair1, &c.Time1}, {f.flair2, &c.Time2}, {f.brain, &c.Brain}, {f.prob, &c.Prob}} {
		if err := read(i.path, i.into); err != nil {
			return nil, err
		}
	}
	for _, path := range f.members {
		var m *volume.Volume
		if err := read(path, &m); err != nil {
			return nil, err
		}
		s.Members = append(s.Members, m)
	}
	return s, nil
}
