// Package evaluate is the command evaluate.
package evaluate

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/scoring"
	"voxgrad/internal/outfile"
	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/train/dataset"
)

// evaluateJob is one call of evaluate.
type evaluateJob struct {
	files   dataset.Pair
	pairs   string // table of them, in their place
	raters  string // folder of several experts' masks, in their place
	asJSON  bool
	csv     string // files to write
	report  string
	figures int
	opt     scoring.Options
}

// New returns the command.
func New() *cobra.Command {
	j := evaluateJob{opt: scoring.Defaults()}
	cmd := &cobra.Command{
		Use:   "evaluate (--truth T --pred P | --pairs TABLE | --raters DIR)",
		Short: "Score masks against the truth with the challenge's measures",
		Long: `Scores masks against the truth with the measures of the MSSEG-2 challenge's tool:
overlap of voxels, distances between surfaces, and detection of lesions (voxels that
share a face) of more than 3 mm³.

In folders, masks belong together if their names agree up to .nii or .nii.gz; behind a
case's name a prediction may have _new and a map _probability, as the pipeline writes
them. A truth may also be DIR/CASE/ground_truth.nii.gz (or new_lesions, lesions), scans
DIR/CASE/flair_time01_on_middle_space.nii.gz and so on: a data set's folder can be
given as it is, nnU-Net's too. A table lists the files itself: CSV with the columns
prediction, truth and, if wanted, case, flair1, flair2, brainmask, probability, members
(separated by semicolons); paths are relative to the table.

A mask holds 0 and one more whole number. Anything else is refused, unless --threshold
makes a mask of it or --labels compares several labels.

With an empty truth only the number and volume of predicted lesions are defined;
such cases do not enter the means of the other measures.

--raters scores experts against each other: DIR/CASE/ground_truth_expertN.nii.gz, or
one folder per expert, DIR/EXPERT/CASE.nii.gz.`,
		Example: `  voxgrad evaluate --truth ground_truth.nii.gz --pred new.nii.gz --json
  voxgrad evaluate --truth data --pred predictions --csv scores.csv
  voxgrad evaluate --truth data --pred predictions --flair1 data --flair2 data --report scores.html`,
		Args: cli.ExactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := j.check(cmd); err != nil {
				return err
			}
			if j.raters != "" {
				return j.runRaters(cmd.Context())
			}
			return j.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&j.files.Truth, "truth", "", "true mask, or folder of them")
	f.StringVar(&j.files.Prediction, "pred", "", "predicted mask, or folder of them")
	f.StringVar(&j.pairs, "pairs", "", "table of files, CSV: prediction,truth[,case,…]")
	f.StringVar(&j.raters, "raters", "", "folder with the masks of several experts, to score them against each other")
	f.BoolVar(&j.asJSON, "json", false, "print JSON: one object for a pair, {cases, summary} for several")
	f.StringVar(&j.csv, "csv", "", "table of all measures to write, a line per case")
	f.StringVar(&j.report, "report", "", "page of tables, box plots and pictures to write, HTML")
	f.StringVar(&j.files.Flair1, "flair1", "", "first scan, or folder of them, for the report's pictures")
	f.StringVar(&j.files.Flair2, "flair2", "", "second (or only) scan, or folder of them")
	f.StringVar(&j.files.Brain, "brainmask", "", "brain mask, or folder of them; sets what the pictures show")
	f.StringVar(&j.files.Probability, "probability", "", "probability map, or folder of them, for the report's lists of lesions")
	f.StringArrayVar(&j.files.Members, "member", nil, "mask or probability map of one member of an ensemble, or folder of them; repeat it for each")
	f.IntVar(&j.figures, "figures", 0, "lesions pictured per case at most; 0 for none (default 12 for a pair, 4 for several cases)")
	cli.Reads(cmd, "truth", "pred", "pairs", "raters", "flair1", "flair2", "brainmask", "probability", "member")
	cli.Writes(cmd, "csv", cli.Tables...)
	cli.Writes(cmd, "report", cli.Pages...)
	j.opt.Flags(cmd)
	return cmd
}

// check refuses command lines that ask for nothing or for two things.
func (j *evaluateJob) check(cmd *cobra.Command) error {
	if err := j.opt.Check(cmd); err != nil {
		return err
	}
	var given []string
	for _, name := range []string{"truth", "pred", "pairs", "raters"} {
		if cmd.Flags().Changed(name) {
			given = append(given, name)
		}
	}
	switch {
	case len(given) == 0:
		return cli.Usagef(cmd, `required flags "truth" and "pred" (or "pairs", or "raters") not set`)
	case j.pairs != "" || j.raters != "":
		if len(given) > 1 {
			return cli.Usagef(cmd, "--%s and --%s exclude each other", given[0], given[len(given)-1])
		}
		for _, name := range []string{"flair1", "flair2", "brainmask", "probability", "member"} {
			if cmd.Flags().Changed(name) {
				return cli.Usagef(cmd, "--%s goes with --truth and --pred; a table has a column for it", name)
			}
		}
	case len(given) == 1:
		missing := map[string]string{"truth": "pred", "pred": "truth"}[given[0]]
		return cli.Usagef(cmd, "required flag %q not set", missing)
	}
	if !cmd.Flags().Changed("figures") {
		j.figures = -1
	} else if j.figures < 0 {
		return cli.Usagef(cmd, "--figures %d: a number of lesions, or 0 for none", j.figures)
	}
	if j.report == "" {
		for _, name := range []string{"flair1", "flair2", "brainmask", "probability", "member", "figures"} {
			if cmd.Flags().Changed(name) {
				return cli.Usagef(cmd, "--%s is for the report: it needs --report FILE", name)
			}
		}
	}
	if j.raters != "" && (j.opt.Threshold != nil || j.opt.TruthThreshold != nil) {
		return cli.Usagef(cmd, "--threshold and --truth-threshold are for a prediction and its truth, not for raters")
	}
	if j.files.Flair1 != "" && j.files.Flair2 == "" {
		return cli.Usagef(cmd, "--flair1 needs --flair2; give a single scan as --flair2")
	}
	return nil
}

func (j *evaluateJob) run(ctx context.Context) error {
	list, single, err := j.list()
	if err != nil {
		return err
	}
	cases, err := j.opt.Score(ctx, list)
	if err != nil {
		return err
	}
	sum, err := metrics.Summarize(cases, metrics.DefaultBootstrap())
	if err != nil {
		return err
	}
	var files outfile.Set
	defer files.Discard()
	if j.csv != "" {
		if err := scoring.WriteCSV(&files, j.csv, []string{"case"}, scoring.Rows(cases)); err != nil {
			return err
		}
	}
	if j.report != "" {
		if err := j.writeReport(ctx, &files, list, cases, sum); err != nil {
			return err
		}
	}
	if err := files.Commit(); err != nil {
		return err
	}
	switch {
	case j.asJSON && single:
		return cli.PrintJSON(cases[0].Result)
	case j.asJSON:
		return cli.PrintJSON(map[string]any{"cases": jsonCases(cases), "summary": sum})
	case single:
		return measureTable(cases[0]).WriteText(cli.Out)
	}
	tables := report.ScoreTables(cases, sum)
	return writeTables(append(tables, report.SummaryTable(sum))...)
}

// list is what to score; single is true for two files named on the command line.
func (j *evaluateJob) list() (list []dataset.Pair, single bool, err error) {
	if j.pairs != "" {
		list, err = dataset.ReadPairs(j.pairs)
		return list, false, err
	}
	list, single, unused, err := j.files.Match()
	scoring.TellUnused(unused)
	return list, single, err
}

// measureTable is one case, a measure a line.
func measureTable(c metrics.Case) *report.Table {
	t := &report.Table{Title: c.Name, Columns: []report.Column{{Name: "measure"}, {Name: "value"}}}
	for _, m := range c.Result.Measures() {
		shown := report.MeasureOf(m.Key)
		t.Add(m.Key, report.Figure(shown.Unit.Text(m.Value)))
	}
	if c.Result.EmptyTruth() {
		t.Note = "Nothing is marked in the truth: false alarms are counted, nothing else is defined."
	}
	return t
}

// writeTables prints tables with an empty line between them.
func writeTables(tables ...*report.Table) error {
	for n, t := range tables {
		if n > 0 {
			fmt.Fprintln(cli.Out)
		}
		if err := t.WriteText(cli.Out); err != nil {
			return err
		}
	}
	return nil
}

// jsonCases are the cases with all their measures.
func jsonCases(cases []metrics.Case) []any {
	rows := []any{}
	for _, c := range cases {
		rows = append(rows, map[string]any{"case": c.Name, "measures": c.Result})
	}
	return rows
}
