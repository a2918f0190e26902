package evaluate

import (
	"context"
	"fmt"
	"slices"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/scoring"
	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/train/dataset"
)

// agreementMeasures are what raters are compared by: Dice and the lesion scores.
var agreementMeasures = report.DetectionMeasures[:4]

// runRaters scores every rater against every other.
func (j *evaluateJob) runRaters(ctx context.Context) error {
	masks, err := dataset.FindRaters(j.raters)
	if err != nil {
		return err
	}
	boot := metrics.DefaultBootstrap()
	load := func(rater, name string) (scoring.Image, error) {
		if err := scoring.Stopped(ctx, slices.Index(masks.Cases, name), len(masks.Cases)); err != nil {
			return scoring.Image{}, err
		}
		return j.opt.Truth(masks.Path(rater, name))
	}
	pairs, err := metrics.Raters(masks.Names, masks.Cases, load, scoring.Measure, j.opt.Options, boot)
	if err == nil {
		err = scoring.Stopped(ctx, len(masks.Cases), len(masks.Cases))
	}
	if err != nil {
		return err
	}
	var keys []string
	for _, k := range agreementMeasures {
		keys = append(keys, k.Key)
	}
	means, err := metrics.AgainstOthers(pairs, keys, boot)
	if err != nil {
		return err
	}
	var files outfile.Set
	defer files.Discard()
	if j.csv != "" {
		var rows []scoring.Row
		for _, p := range pairs {
			rows = append(rows, scoring.Rows(p.Cases, p.Truth, p.Pred)...)
		}
		if err := scoring.WriteCSV(&files, j.csv, []string{"case", "truth", "prediction"}, rows); err != nil {
			return err
		}
	}
	tables := []*report.Table{raterMeansTable(means, len(masks.Cases)), raterPairsTable(pairs)}
	if j.report != "" {
		p := report.NewPage(fmt.Sprintf("%d raters against each other", len(masks.Names)))
		p.Footer = cli.PageFooter()
		p.Section("Agreement")
		for _, t := range tables {
			p.Table(t)
		}
		p.Section("Settings")
		p.Facts(j.opt.Facts()...)
		if err := p.WriteIn(&files, j.report); err != nil {
			return err
		}
	}
	if err := files.Commit(); err != nil {
		return err
	}
	if j.asJSON {
		return cli.PrintJSON(ratersJSON(means, pairs))
	}
	return writeTables(tables...)
}

// raterMeansTable is each rater against all the others.
func raterMeansTable(means []metrics.RaterMean, cases int) *report.Table {
	t := &report.Table{Title: "Each rater against the others", Columns: []report.Column{{Name: "rater"}, {Name: "n"}}}
	for _, k := range agreementMeasures {
		t.Columns = append(t.Columns, report.Column{Name: k.Name, Unit: k.Unit})
	}
	t.Columns = append(t.Columns, report.Column{Name: "Dice, 95 % interval"}, report.Column{Name: "lesion F1, 95 % interval"})
	for _, m := range means {
		row := []any{m.Rater, m.Measures[0].N}
		for _, s := range m.Measures {
			row = append(row, s.Mean)
		}
		for _, n := range []int{0, 3} {
			row = append(row, report.Figure(report.Score.Range(m.Measures[n].Low, m.Measures[n].High)))
		}
		t.Add(row...)
	}
	t.Note = fmt.Sprintf("%s. Per case, the mean over the other raters, each taken as the truth; then the mean over cases. "+
		"A rater who marked nothing in a case is no truth for it; n counts the cases for which there is one.", text.Plural(cases, "case"))
	return t
}

// raterPairsTable is every rater against every other.
func raterPairsTable(pairs []metrics.RaterPair) *report.Table {
	t := &report.Table{Title: "Rater against rater", Columns: []report.Column{{Name: "truth"}, {Name: "scored"}, {Name: "n"}}}
	for _, k := range agreementMeasures {
		t.Columns = append(t.Columns, report.Column{Name: k.Name, Unit: k.Unit})
	}
	for _, p := range pairs {
		row := []any{p.Truth, p.Pred, p.Summary.With}
		for _, k := range agreementMeasures {
			if s, ok := p.Summary.Measure(k.Key); ok {
				row = append(row, s.Mean)
			} else {
				row = append(row, nil)
			}
		}
		t.Add(row...)
	}
	t.Note = "n: cases in which the rater taken as the truth marked something. " + metrics.Rule
	return t
}

func ratersJSON(means []metrics.RaterMean, pairs []metrics.RaterPair) any {
	type against struct {
		Rater    string           `json:"rater"`
		Measures []metrics.Spread `json:"measures"`
	}
	type pair struct {
		Truth   string          `json:"truth"`
		Pred    string          `json:"prediction"`
		Summary metrics.Summary `json:"summary"`
	}
	out := struct {
		Against []against `json:"against_others"`
		Pairs   []pair    `json:"pairs"`
	}{}
	for _, m := range means {
		out.Against = append(out.Against, against{m.Rater, m.Measures})
	}
	for _, p := range pairs {
		out.Pairs = append(out.Pairs, pair{p.Truth, p.Pred, p.Summary})
	}
	return out
}
