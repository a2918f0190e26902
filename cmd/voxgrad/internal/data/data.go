// Package data is the command data.
package data

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/report"
	"voxgrad/train/dataset"
	"voxgrad/train/prep"
)

// New returns the command.
func New() *cobra.Command {
	return cli.Group("data", "Look at data sets", newDataCheck())
}

func newDataCheck() *cobra.Command {
	opt := dataset.Options{Layout: "auto", Truth: "auto"}
	prepare := prep.Defaults()
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check DIR",
		Short: "Verify a data set and say what is wrong with each case",
		Long: `Reads every image and mask of a data set and says per case what is wrong: missing or
unreadable files, other grids, time points in different spaces, empty or constant
images, NaN or infinite voxels, masks with other values than 0 and one more, lesions
outside the brain. The exit status is 1 if a case cannot be used.

Layouts: ` + strings.Join(dataset.Layouts(), ", ") + ` (see docs/formats.md).`,
		Example: "  voxgrad data check challenge/",
		Args:    cli.ExactArgs(1, "one folder or table"),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := dataset.Open(args[0], opt)
			if err != nil {
				return err
			}
			bar := cli.NewProgress("checking", len(set.Cases))
			reports := dataset.Check(set, prepare, func(n int, _ dataset.Report) { bar.Set(n, "") })
			bar.Shut()
			return showCheck(set, reports, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&opt.Layout, "layout", opt.Layout, "auto, "+strings.Join(dataset.Layouts(), ", "))
	f.StringVar(&opt.Truth, "truth", opt.Truth, "which mask: auto, consensus, majority, any, rater1, rater2, …")
	f.BoolVar(&prepare.ResampleTimes, "resample-times", false, "accept time points on different grids")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// showCheck prints the reports; cases that cannot be used are an error.
func showCheck(set *dataset.Set, reports []dataset.Report, asJSON bool) error {
	bad := 0
	t := &report.Table{
		Title: fmt.Sprintf("%s: layout %s, %d cases", set.Root, set.Layout, len(set.Cases)),
		Columns: []report.Column{{Name: "case"}, {Name: "size"}, {Name: "spacing"}, {Name: "axes"}, {Name: "lesions"},
			{Name: "lesion volume", Unit: report.Millilitres}, {Name: "state"}},
	}
	var problems []dataset.Problem
	for _, r := range reports {
		state := "ok"
		for _, p := range r.Problems {
			if p.Level == dataset.Error {
				state = "error"
			} else if state == "ok" {
				state = "warning"
			}
		}
		if state == "error" {
			bad++
		}
		problems = append(problems, r.Problems...)
		t.Add(r.Case, fmt.Sprintf("%d×%d×%d", r.Size[0], r.Size[1], r.Size[2]),
			fmt.Sprintf("%.3g×%.3g×%.3g", r.Spacing[0], r.Spacing[1], r.Spacing[2]), r.Codes, r.Lesions, r.LesionMM3, state)
	}
	var err error
	if asJSON {
		if problems == nil {
			problems = []dataset.Problem{}
		}
		err = cli.PrintJSON(map[string]any{"root": set.Root, "layout": set.Layout, "cases": len(set.Cases), "unusable": bad, "problems": problems})
	} else {
		err = t.WriteText(os.Stdout)
		for _, p := range problems {
			fmt.Printf("%s: %s: %s\n", p.Case, p.Level, p.Text)
		}
	}
	if err == nil && bad > 0 {
		err = fmt.Errorf("%s: %d of %d cases cannot be used", set.Root, bad, len(set.Cases))
	}
	return err
}
