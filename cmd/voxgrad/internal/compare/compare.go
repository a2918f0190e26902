// Package compare is the command compare.
package compare

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/scoring"
	"voxgrad/internal/outfile"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// compareJob is one call of compare.
type compareJob struct {
	truth    string
	methods  [2]string // folders or files
	names    [2]string
	measures []string
	asJSON   bool
	csv      string
	report   string
	opt      scoring.Options
}

// compared are two methods scored on the same cases.
type compared struct {
	cases [2][]metrics.Case
	sums  [2]metrics.Summary
	tests []metrics.Comparison
}

// New returns the command.
func New() *cobra.Command {
	j := compareJob{opt: scoring.Defaults()}
	cmd := &cobra.Command{
		Use:   "compare A B --truth T",
		Short: "Put two methods side by side, with a test of their difference",
		Long: `Scores the masks of two methods against the same truth and tests, measure by
measure, whether the differences case by case are symmetric about zero: Wilcoxon's
signed-rank test, two-sided, exact up to 50 cases without ties. P-values are corrected
for the number of measures (Holm). Marks: * p < 0.05, ** p < 0.01, *** p < 0.001,
after the correction.

A, B and T are folders whose files have the same names, up to .nii or .nii.gz (and
_new, as the pipeline writes them); T may also be the folder of a data set. Both
methods need a mask of every case.`,
		Example: "  voxgrad compare ours/ theirs/ --truth data --report compared.html",
		Args:    cli.ExactArgs(2, "two methods, A and B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := j.opt.Check(cmd); err != nil {
				return err
			}
			for _, key := range j.measures {
				if !slices.Contains(rankedKeys(), key) {
					return cli.Usagef(cmd, "--measures: there is no %q; choose from %s", key, strings.Join(rankedKeys(), ", "))
				}
			}
			j.methods = [2]string{args[0], args[1]}
			if a, err := os.Stat(args[0]); err == nil {
				if b, err := os.Stat(args[1]); err == nil && os.SameFile(a, b) {
					return cli.Usagef(cmd, "A and B are the same: %s", args[0])
				}
			}
			return j.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&j.truth, "truth", "", "folder of true masks, or a data set's (required)")
	f.StringSliceVar(&j.measures, "measures", nil, "measures to test; p-values are corrected for their number (default: Dice, the three lesion scores and, if there are cases without lesions, false lesions and their volume)")
	f.BoolVar(&j.asJSON, "json", false, "print JSON: {a, b, comparisons, cases, summary_a, summary_b}")
	f.StringVar(&j.csv, "csv", "", "table of all measures to write, a line per case and method")
	f.StringVar(&j.report, "report", "", "page with tables and box plots to write, HTML")
	cli.ReadsArgs(cmd, "MASKS")
	cli.Reads(cmd, "truth")
	cli.Writes(cmd, "csv", cli.Tables...)
	cli.Writes(cmd, "report", cli.Pages...)
	j.opt.Flags(cmd)
	cli.Must(cmd.MarkFlagRequired("truth"))
	return cmd
}

// rankedKeys are the keys that say how good a mask is.
func rankedKeys() []string {
	return slices.DeleteFunc(metrics.Keys(), func(k string) bool { return k == "truth_lesions" || k == "pred_lesions" })
}

func (j *compareJob) run(ctx context.Context) error {
	j.names = methodNames(j.methods)
	c, err := j.score(ctx)
	if err != nil {
		return err
	}
	var files outfile.Set
	defer files.Discard()
	if j.csv != "" {
		rows := append(scoring.Rows(c.cases[0], j.names[0]), scoring.Rows(c.cases[1], j.names[1])...)
		if err := scoring.WriteCSV(&files, j.csv, []string{"case", "method"}, rows); err != nil {
			return err
		}
	}
	if j.report != "" {
		if err := j.writeReport(&files, c); err != nil {
			return err
		}
	}
	if err := files.Commit(); err != nil {
		return err
	}
	if j.asJSON {
		return cli.PrintJSON(j.json(c))
	}
	return comparisonTable(j.names, c.tests).WriteText(cli.Out)
}

// score evaluates both methods and tests the differences.
func (j *compareJob) score(ctx context.Context) (*compared, error) {
	c := &compared{}
	boot := metrics.DefaultBootstrap()
	for m, path := range j.methods {
		list, single, unused, err := dataset.Pair{Truth: j.truth, Prediction: path}.Match()
		if err != nil {
			return nil, err
		}
		scoring.TellUnused(unused)
		if single {
			list[0].Name = caseName(j.truth) // the two masks may have different names
		}
		if c.cases[m], err = j.opt.Score(ctx, list); err != nil {
			return nil, err
		}
		if c.sums[m], err = metrics.Summarize(c.cases[m], boot); err != nil {
			return nil, err
		}
	}
	keys := j.measures
	if len(keys) == 0 {
		keys = c.usual()
	}
	var err error
	c.tests, err = metrics.Compare(c.cases[0], c.cases[1], keys, boot)
	return c, err
}

// usual are the measures that the challenge reports, of those that the cases define.
func (c *compared) usual() (keys []string) {
	groups := [][]report.Measure{}
	if c.sums[0].With > 0 {
		groups = append(groups, report.DetectionMeasures[:4])
	}
	if c.sums[0].Without > 0 {
		groups = append(groups, report.FalseAlarmMeasures)
	}
	for _, g := range groups {
		for _, m := range g {
			keys = append(keys, m.Key)
		}
	}
	return keys
}

// methodNames are the last parts of the paths, or the paths where those are
// equal.
func methodNames(paths [2]string) (names [2]string) {
	for n, p := range paths {
		names[n] = caseName(p)
	}
	if names[0] == names[1] {
		return paths
	}
	return names
}

// caseName is the last part of a path without the ending of an image.
func caseName(path string) string {
	name, _, _ := volume.CutEnding(filepath.Base(filepath.Clean(path)))
	return name
}

// comparisonTable is a line per measure.
func comparisonTable(names [2]string, tests []metrics.Comparison) *report.Table {
	t := &report.Table{Title: names[0] + " against " + names[1], Columns: []report.Column{
		{Name: "measure"}, {Name: "n"}, {Name: names[0]}, {Name: names[1]}, {Name: "difference"},
		{Name: "95 % interval"}, {Name: "p"}, {Name: "p (Holm)"}, {Name: ""},
	}}
	most := 0
	for _, c := range tests {
		m := report.MeasureOf(c.Key)
		unit := m.Unit
		if unit.Digits == 0 {
			unit.Digits = 2
		}
		name := m.Name
		if unit.Symbol != "" {
			name += " (" + unit.Symbol + ")"
		}
		t.Add(name, c.N, report.Figure(unit.Format(c.MeanA)), report.Figure(unit.Format(c.MeanB)), report.Figure(unit.Format(c.Difference)),
			report.Figure(unit.Range(c.Low, c.High)), pText(c.Test.P), pText(c.Adjusted), metrics.Marks(c.Adjusted))
		most = max(most, c.N)
	}
	t.Note = fmt.Sprintf("n: cases in which both methods have the measure; means are over those. Difference: %s minus %s, with a bootstrap interval. "+
		"p: Wilcoxon's signed-rank test, two-sided; corrected for %d measures by Holm's method; * p < 0.05, ** p < 0.01, *** p < 0.001 after that. %s",
		names[0], names[1], len(tests), metrics.Rule)
	if most < 6 {
		t.Note += " With fewer than 6 cases no difference, however large, gives p below 0.05."
	}
	return t
}

// pText prints a p-value with two digits that count.
func pText(p float64) report.Figure {
	switch {
	case p != p:
		return report.Missing
	case p < 1e-4:
		return "< 0.0001"
	case p < 0.1:
		return report.Figure(fmt.Sprintf("%.2g", p))
	}
	return report.Figure(fmt.Sprintf("%.2f", p))
}

func (j *compareJob) json(c *compared) any {
	cases := []any{}
	b := map[string]metrics.Result{}
	for _, k := range c.cases[1] {
		b[k.Name] = k.Result
	}
	for _, k := range c.cases[0] {
		cases = append(cases, map[string]any{"case": k.Name, "a": k.Result, "b": b[k.Name]})
	}
	return map[string]any{"a": j.names[0], "b": j.names[1], "comparisons": c.tests, "cases": cases,
		"summary_a": c.sums[0], "summary_b": c.sums[1]}
}

func (j *compareJob) writeReport(set *outfile.Set, c *compared) error {
	p := report.NewPage(j.names[0] + " against " + j.names[1])
	p.Footer = cli.PageFooter()
	p.Section("Differences")
	p.Table(comparisonTable(j.names, c.tests))
	p.Section("Box plots")
	p.Boxes(report.BoxPlots(j.names[:], c.cases[0], c.cases[1])...)
	for n, name := range j.names {
		p.Section("Scores of " + name)
		for _, t := range report.ScoreTables(c.cases[n], c.sums[n]) {
			p.Table(t)
		}
		if len(c.cases[n]) > 1 {
			p.Table(report.SummaryTable(c.sums[n]))
		}
	}
	p.Section("Settings")
	p.Facts(j.opt.Facts()...)
	return p.WriteIn(set, j.report)
}
