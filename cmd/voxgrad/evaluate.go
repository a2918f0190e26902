package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/metrics"
	"voxgrad/report"
	"voxgrad/volume"
)

// evaluateJob is one call of evaluate.
type evaluateJob struct {
	truth, pred string // two files or two folders
	asJSON      bool
	opt         metrics.Options
}

func newEvaluate() *cobra.Command {
	j := evaluateJob{opt: metrics.DefaultOptions()}
	cmd := &cobra.Command{
		Use:   "evaluate --truth T --pred P",
		Short: "Score masks against the truth with the challenge's measures",
		Long: `Scores a mask, or a folder of masks, against the truth with the measures of the
MSSEG-2 challenge's tool: Dice over all voxels; lesion-wise sensitivity, positive
predictive value and F1 over lesions (voxels that share a face) above 3 mm³.

In folders, masks belong together if their names agree up to .nii or .nii.gz; a truth
may also be DIR/CASE/ground_truth.nii.gz. With an empty truth only the number and
volume of predicted lesions are defined; such cases do not enter the means.`,
		Example: "  voxgrad evaluate --truth ground_truth.nii.gz --pred new.nii.gz --json",
		Args:    exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := j.opt.Validate(); err != nil {
				return usagef(cmd, "%v", err)
			}
			return j.run()
		},
	}
	f := cmd.Flags()
	f.StringVar(&j.truth, "truth", "", "true mask, or folder of them (required)")
	f.StringVar(&j.pred, "pred", "", "predicted mask, or folder of them (required)")
	f.BoolVar(&j.asJSON, "json", false, "print JSON: one object for a pair, {cases, summary} for folders")
	f.Float64Var(&j.opt.MinLesionMM3, "min-lesion-mm3", j.opt.MinLesionMM3, "lesions of this volume or less are ignored")
	f.Float64Var(&j.opt.Alpha, "alpha", j.opt.Alpha, "share of a lesion that must be covered")
	f.Float64Var(&j.opt.Beta, "beta", j.opt.Beta, "share of a covering lesion that may lie outside")
	f.Float64Var(&j.opt.Gamma, "gamma", j.opt.Gamma, "share of the overlap that is looked at")
	must(cmd.MarkFlagRequired("truth"))
	must(cmd.MarkFlagRequired("pred"))
	return cmd
}

func (j evaluateJob) run() error {
	pairs, err := maskPairs(j.truth, j.pred)
	if err != nil {
		return err
	}
	var cases []metrics.Case
	for _, p := range pairs {
		r, err := evaluatePair(p.truth, p.pred, j.opt)
		if err != nil {
			return err
		}
		cases = append(cases, metrics.Case{Name: p.name, Result: r})
	}
	if j.asJSON && pairs[0].single {
		return printJSON(cases[0].Result)
	}
	sum, err := metrics.Summarize(cases, metrics.DefaultBootstrap())
	if err != nil {
		return err
	}
	if j.asJSON {
		rows := []any{}
		for _, c := range cases {
			rows = append(rows, map[string]any{"case": c.Name, "measures": c.Result})
		}
		return printJSON(map[string]any{"cases": rows, "summary": sum})
	}
	return scoreTable("", cases, sum).WriteText(os.Stdout)
}

func evaluatePair(truth, pred string, opt metrics.Options) (metrics.Result, error) {
	t, err := volume.Read(truth)
	if err != nil {
		return metrics.Result{}, err
	}
	p, err := volume.Read(pred)
	if err != nil {
		return metrics.Result{}, err
	}
	return metrics.Evaluate(t, p, opt)
}

// maskPair is a truth and a prediction that belong together.
type maskPair struct {
	name, truth, pred string
	single            bool // named on the command line, not found in folders
}

// maskPairs is the pair named, or those of two folders, sorted by name. A truth
// without a prediction is an error; other predictions are left out.
func maskPairs(truth, pred string) ([]maskPair, error) {
	td, err := isDir(truth)
	if err != nil {
		return nil, err
	}
	pd, err := isDir(pred)
	if err != nil {
		return nil, err
	}
	if td != pd {
		return nil, fmt.Errorf("--truth and --pred must both be files or both be folders")
	}
	if !td {
		return []maskPair{{name: caseName(pred), truth: truth, pred: pred, single: true}}, nil
	}
	truths, err := masksIn(truth)
	if err != nil {
		return nil, err
	}
	preds, err := masksIn(pred)
	if err != nil {
		return nil, err
	}
	var pairs []maskPair
	var missing []string
	for name, path := range truths {
		if preds[name] == "" {
			missing = append(missing, name)
			continue
		}
		pairs = append(pairs, maskPair{name: name, truth: path, pred: preds[name]})
	}
	sort.Strings(missing)
	switch {
	case len(truths) == 0:
		return nil, fmt.Errorf("%s: no NAME.nii.gz and no CASE/%s in it", truth, challengeTruth)
	case len(missing) > 0:
		return nil, fmt.Errorf("%s: no prediction for %s (looked for NAME.nii.gz and NAME.nii)", pred, strings.Join(missing, ", "))
	}
	sort.Slice(pairs, func(a, b int) bool { return pairs[a].name < pairs[b].name })
	return pairs, nil
}

func isDir(path string) (bool, error) {
	info, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return info.IsDir(), nil
}

// masksIn lists NAME.nii[.gz] and CASE/ground_truth.nii.gz by name.
func masksIn(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			path = filepath.Join(path, challengeTruth)
			if _, err := os.Stat(path); err == nil {
				found[e.Name()] = path
			}
			continue
		}
		if name := caseName(path); name != e.Name() {
			if other := found[name]; other != "" {
				return nil, fmt.Errorf("%s and %s have the same name: keep one of them", other, path)
			}
			found[name] = path
		}
	}
	return found, nil
}

// caseName is the file's name without folder and .nii or .nii.gz.
func caseName(path string) string {
	return strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".gz"), ".nii")
}

// tableKeys are the measures of a score table, in order.
var tableKeys = []struct {
	key, head string
	unit      report.Unit
}{
	{"dice", "Dice", report.Score},
	{"lesion_sensitivity", "lesion sens.", report.Score},
	{"lesion_ppv", "lesion PPV", report.Score},
	{"lesion_f1", "lesion F1", report.Score},
	{"truth_lesions", "true lesions", report.Unit{}},
	{"pred_lesions", "pred. lesions", report.Unit{}},
}

// scoreTable is a row per case and, for several, their means.
func scoreTable(title string, cases []metrics.Case, sum metrics.Summary) *report.Table {
	t := &report.Table{Title: title, Columns: []report.Column{{Name: "case"}}}
	for _, k := range tableKeys {
		t.Columns = append(t.Columns, report.Column{Name: k.head, Unit: k.unit})
	}
	for _, c := range cases {
		row := []any{c.Name}
		for _, k := range tableKeys {
			if v, ok := c.Result.Value(k.key); ok {
				row = append(row, v)
			} else {
				row = append(row, nil)
			}
		}
		t.Add(row...)
	}
	if len(cases) < 2 {
		return t
	}
	row := []any{fmt.Sprintf("mean of %d", sum.With)}
	for _, k := range tableKeys {
		if m, ok := sum.Measure(k.key); ok {
			row = append(row, m.Mean)
		} else {
			row = append(row, nil)
		}
	}
	t.AddSummary(row...)
	if sum.Without > 0 {
		n, _ := sum.Measure("tested_lesions")
		mm3, _ := sum.Measure("tested_volume")
		t.Note = fmt.Sprintf("%d with an empty truth, not in the means: on average %.2f false lesions of %.1f mm³ together.",
			sum.Without, n.Mean, mm3.Mean)
	}
	return t
}
