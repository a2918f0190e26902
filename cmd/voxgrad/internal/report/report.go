// Package report is the command report.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/infile"
	"voxgrad/report"
	"voxgrad/train"
)

// runFold is one fold of a run as its folder shows it.
type runFold struct {
	name    string
	folder  string
	history *runHistory
	summary *train.Summary // nil while the run is going on
}

// New returns the command.
func New() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "report RUN --out PAGE",
		Short: "Show a training run on one page",
		Long: `Writes an HTML page about a training run: a table of its folds, the curves, and how
the run went. RUN is the folder that training wrote to, or one of its folds; a run that
is still going on can be shown, too. (Scores of masks: voxgrad evaluate --report.)`,
		Example: "  voxgrad report runs/detector --out detector.html",
		Args:    cli.ExactArgs(1, "the folder of a run"),
		RunE: func(_ *cobra.Command, args []string) error {
			folds, err := readRun(args[0])
			if err != nil {
				return err
			}
			p, err := runPage(args[0], folds)
			if err != nil {
				return err
			}
			if err := p.Write(out); err != nil {
				return err
			}
			return foldTable(folds).WriteText(cli.Out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "page to write, HTML (required)")
	cli.ReadsArgs(cmd, "RUN")
	cli.Writes(cmd, "out", cli.Pages...)
	cli.Must(cmd.MarkFlagRequired("out"))
	return cmd
}

// readRun reads the folds of a run, in the order of their numbers.
func readRun(dir string) ([]runFold, error) {
	folders, err := filepath.Glob(filepath.Join(globQuote(dir), "fold_*"))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(folders, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b) // fold_10 behind fold_9
		}
		return strings.Compare(a, b)
	})
	if _, err := os.Stat(filepath.Join(dir, runMetrics)); err == nil {
		folders = []string{dir}
	}
	var folds []runFold
	for _, f := range folders {
		fold, err := readFold(f)
		if errors.Is(err, os.ErrNotExist) {
			continue // no epoch has ended yet
		}
		if err != nil {
			return nil, err
		}
		folds = append(folds, fold)
	}
	if len(folds) == 0 {
		if _, err := os.Stat(dir); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: neither %s nor fold_K/%s in it: is this the folder of a training run?", dir, runMetrics, runMetrics)
	}
	return folds, nil
}

// globQuote takes the meaning from the special characters of a pattern.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

const (
	runMetrics = "metrics.csv"
	runSummary = "summary.json"
	maxTable   = 256 << 20 // bytes of either
)

func readFold(dir string) (runFold, error) {
	fold := runFold{name: filepath.Base(dir), folder: dir}
	path := filepath.Join(dir, runMetrics)
	b, err := infile.Read(path, maxTable)
	if err != nil {
		return fold, err
	}
	if fold.history, err = parseRunHistory(b); err != nil {
		return fold, fmt.Errorf("%s: %w", path, err)
	}
	path = filepath.Join(dir, runSummary)
	b, err = infile.Read(path, maxTable)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fold, nil
	case err != nil:
		return fold, err
	}
	fold.summary = &train.Summary{}
	if err := json.Unmarshal(b, fold.summary); err != nil {
		return fold, fmt.Errorf("%s: %w", path, err)
	}
	return fold, nil
}

// runPage is the page about a run.
func runPage(dir string, folds []runFold) (*report.Page, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	p := report.NewPage("Training run " + filepath.Base(abs))
	p.Footer = cli.PageFooter()
	p.Section("Folds")
	p.Table(foldTable(folds))
	for _, f := range folds {
		p.Section(f.name)
		c, err := report.Curves(f.history.curves())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.folder, err)
		}
		p.Chart(c, "training curves of "+f.name, "")
		if f.summary != nil {
			p.Facts(f.facts()...)
		} else {
			p.Text("There is no summary yet: the run is going on, or was ended from outside.")
		}
		if err := addPicture(p, filepath.Join(f.folder, "restored.png"), "Validation patches before, with noise, as the network gives them back, and with its output in the filled voxels alone, as synthesis uses it."); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// addPicture adds a PNG file if it is there.
func addPicture(p *report.Page, path, caption string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	p.Image(img, caption, caption)
	return nil
}

// foldTable is a line per fold: its best epoch and how long it took.
func foldTable(folds []runFold) *report.Table {
	t := &report.Table{Columns: []report.Column{{Name: "fold"}, {Name: "epochs"}, {Name: "best epoch"}}}
	var shown []string
	for _, c := range runColumns {
		for _, f := range folds {
			if !math.IsNaN(f.history.atBest(c.key)) {
				shown = append(shown, c.key)
				t.Columns = append(t.Columns, report.Column{Name: c.name, Unit: report.Unit{Digits: c.digits}})
				break
			}
		}
	}
	t.Columns = append(t.Columns, report.Column{Name: "ended by"})
	for _, f := range folds {
		row := []any{f.name, f.history.epochs()}
		if f.history.best > 0 {
			row = append(row, f.history.best)
		} else {
			row = append(row, nil)
		}
		for _, key := range shown {
			row = append(row, f.history.atBest(key))
		}
		ended := report.Missing
		if f.summary != nil {
			ended = string(f.summary.Reason)
		}
		t.Add(append(row, ended)...)
	}
	t.Note = "Measures are those of the best epoch: the one with the lowest validation loss. Whole: over whole validation images."
	return t
}

// facts are how a fold went.
func (f *runFold) facts() []report.Fact {
	s := f.summary
	facts := []report.Fact{
		{Name: "network", Value: s.Task}, {Name: "device", Value: s.Device},
		{Name: "ended by", Value: string(s.Reason)}, {Name: "epochs", Value: s.Epochs}, {Name: "steps", Value: s.Steps},
		{Name: "trained parameters", Value: s.Parameters},
		{Name: "training cases", Value: len(s.Train)}, {Name: "validation cases", Value: strings.Join(s.Valid, ", ")},
		{Name: "time, last session", Value: time.Duration(s.Seconds * float64(time.Second))},
	}
	if x := float64(s.StepSeconds); !math.IsNaN(x) {
		facts = append(facts, report.Fact{Name: "a step (median)", Value: time.Duration(x * float64(time.Second))})
	}
	if s.Error != "" {
		facts = append(facts, report.Fact{Name: "error", Value: s.Error})
	}
	return facts
}
