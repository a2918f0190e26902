package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"voxgrad/metrics"
	"voxgrad/models"
	"voxgrad/report"
	"voxgrad/volume"
)

// readPair reads a phantom pair from its folder.
func readPair(dir, name string) (*demoCase, error) {
	c := &demoCase{name: name}
	for file, v := range map[string]**volume.Volume{
		challengeTime1: &c.time1, challengeTime2: &c.time2, challengeTruth: &c.truth, challengeBrain: &c.brain,
	} {
		var err error
		if *v, err = volume.Read(filepath.Join(dir, name, file)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// baseline is the difference threshold at the given number of robust standard
// deviations.
func (d *demo) baseline(c *demoCase, sds float64) (*volume.Volume, error) {
	o := volume.DefaultDifference()
	o.SDs = sds
	return volume.DifferenceBaseline(c.time1, c.time2, c.brain, o)
}

// tuneBaseline is the threshold with the best mean lesion F1 on the training
// pairs, so that the network is compared with the baseline at its best.
func (d *demo) tuneBaseline() (float64, error) {
	candidates := []float64{3, 3.5, 4, 4.5, 5, 6, 7, 8, 10}
	sums := make([]float64, len(candidates))
	opt := metrics.DefaultOptions()
	opt.Groups = metrics.LesionGroup
	for n := range d.trainPairs {
		c, err := readPair(d.path(demoTrainData), fmt.Sprintf("train%03d", n+1))
		if err != nil {
			return 0, err
		}
		for i, sds := range candidates {
			found, err := d.baseline(c, sds)
			if err != nil {
				return 0, err
			}
			r, err := metrics.Evaluate(c.truth, found, opt)
			if err != nil {
				return 0, err
			}
			if r.Lesion != nil {
				sums[i] += r.Lesion.F1
			}
		}
	}
	best := 0
	for i, s := range sums {
		if s > sums[best] {
			best = i
		}
	}
	return candidates[best], nil
}

// scores are the measures of all held-out pairs by one method.
func (d *demo) scores(of func(demoCase) metrics.Result) ([]metrics.Case, metrics.Summary, error) {
	var cases []metrics.Case
	for _, c := range d.cases {
		cases = append(cases, metrics.Case{Name: c.name, Result: of(c)})
	}
	s, err := metrics.Summarize(cases, metrics.DefaultBootstrap())
	return cases, s, err
}

// report writes the page, the pictures and scores.json.
func (d *demo) report(context.Context) error {
	network, networkSum, err := d.scores(func(c demoCase) metrics.Result { return c.network })
	if err != nil {
		return err
	}
	_, baselineSum, err := d.scores(func(c demoCase) metrics.Result { return c.threshold })
	if err != nil {
		return err
	}
	d.compared = compareTable(networkSum, baselineSum, d.baselineSDs)
	d.page = report.NewPage("voxgrad demo: new lesions between two scans")
	d.page.Lead = "A segmenter, then a detector with its encoder, trained in minutes on made-up brains and scored on pairs that neither has seen."
	d.page.Footer = "voxgrad " + buildVersion() + ". Phantoms show that the program works, not how well it would do on patients."
	d.page.Section("Held-out pairs")
	d.page.Table(d.compared)
	d.page.Table(scoreTable("the detector, case by case", network, networkSum))
	if err := d.addPictures(); err != nil {
		return err
	}
	d.page.Section("Training")
	for _, task := range []string{models.Segmenter, models.Detector} {
		chart, err := report.Curves(d.curves[task].history(d.history[task]))
		if err != nil {
			return err
		}
		d.page.Chart(chart, "training curves of the "+task, "The "+task+": loss and lesion Dice of the patches, by epoch.")
	}
	return writeJSON(d.path("scores.json"), map[string]any{
		"detector": networkSum, "difference_threshold": baselineSum, "difference_threshold_sds": d.baselineSDs,
	})
}

// addPictures draws every case with a truth and puts the pictures on the page.
func (d *demo) addPictures() error {
	for _, c := range d.cases {
		img, err := report.LesionPicture(&report.Case{Title: c.name, Time1: c.time1, Time2: c.time2, Mask: c.found,
			Prob: c.prob, Truth: c.truth, Brain: c.brain, Rows: 3})
		if err != nil {
			return err
		}
		if err := report.WritePNG(d.path(demoResults, c.name+".png"), img); err != nil {
			return err
		}
		d.page.Image(img, "slices of "+c.name+" with true and predicted new lesions", c.name)
	}
	return nil
}

// finish adds the times, writes the page and prints the scores.
func (d *demo) finish() error {
	d.page.Section("This run")
	var total time.Duration
	for _, s := range d.took {
		d.page.Facts(report.Fact{Name: s.stage, Value: s.took})
		total += s.took
	}
	d.page.Facts(
		report.Fact{Name: "all", Value: total},
		report.Fact{Name: "device", Value: d.device.Name()},
		report.Fact{Name: "seed", Value: fmt.Sprint(d.seed)},
		report.Fact{Name: "training pairs", Value: d.trainPairs},
		report.Fact{Name: "segmenter", Value: fmt.Sprintf("%d steps, %.3f s each", d.segmenter.Steps, float64(d.segmenter.StepSeconds))},
		report.Fact{Name: "detector", Value: fmt.Sprintf("%d steps, %.3f s each", d.detector.Steps, float64(d.detector.StepSeconds))},
	)
	if err := d.page.Write(d.path("index.html")); err != nil {
		return err
	}
	if err := d.compared.WriteText(os.Stdout); err != nil {
		return err
	}
	fmt.Printf("\n%s in all. Open %s\n", report.Duration(total), d.path("index.html"))
	return nil
}

// compareTable sets the detector beside the baseline.
func compareTable(network, baseline metrics.Summary, sds float64) *report.Table {
	t := &report.Table{Title: "mean over the held-out pairs", Columns: []report.Column{{Name: "method"}}}
	for _, k := range tableKeys[:4] {
		t.Columns = append(t.Columns, report.Column{Name: k.head, Unit: k.unit, Better: report.Higher})
	}
	for _, m := range []struct {
		name string
		sum  metrics.Summary
	}{{"detector", network}, {fmt.Sprintf("difference threshold (%g robust SDs)", sds), baseline}} {
		row := []any{m.name}
		for _, k := range tableKeys[:4] {
			s, ok := m.sum.Measure(k.key)
			if ok {
				row = append(row, s.Mean)
			} else {
				row = append(row, nil)
			}
		}
		t.Add(row...)
	}
	t.Note = fmt.Sprintf("%d pairs with new lesions; the threshold was chosen for the best lesion F1 on the training pairs.", network.With)
	return t
}
