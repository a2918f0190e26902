// Package data is the command data.
package data

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/text"
	preparation "voxgrad/prepare"
	"voxgrad/report"
	"voxgrad/train/dataset"
	"voxgrad/train/prep"
	"voxgrad/volume"
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
outside the brain. Lesions are counted as pieces that touch by face, edge or corner, of
any size. Files that no case is made of are named, with the reason. The exit
status is 1 if a case, or the set as a whole, cannot be used. The options are those
that training has.

DIR is a folder or a table; a single image is looked at as a scan, or as a mask if its
values are those of one.

Layouts: ` + strings.Join(dataset.Layouts(), ", ") + ` (see docs/formats.md).`,
		Example: `  voxgrad data check challenge/
  voxgrad data check nnunet/Dataset001_MS --channels 0
  voxgrad data check lesions.nii.gz`,
		Args: cli.ExactArgs(1, "one folder, table or image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := prepare.Check(); err != nil {
				return cli.Usage(cmd, err)
			}
			set, reports, err := check(cmd, args[0], opt, prepare)
			if err != nil {
				return err
			}
			return show(set, reports, asJSON)
		},
	}
	cli.ReadsArgs(cmd, "DIR")
	f := cmd.Flags()
	f.StringVar(&opt.Layout, "layout", opt.Layout, "how the files are arranged: auto, "+strings.Join(dataset.Layouts(), ", "))
	f.StringVar(&opt.Truth, "truth", opt.Truth, "whose mask: auto, consensus, majority, any, rater1, rater2, …")
	f.IntSliceVar(&opt.Channels, "channels", nil, "nnU-Net layout: channels that are the time points")
	f.StringVar(&prepare.Normalize, "normalize", prepare.Normalize, "how intensities are scaled in training: kde, median or none")
	f.StringVar(&prepare.Interpolation, "interpolation", prepare.Interpolation, "onto the 1 mm grid in training: linear or cubic")
	f.BoolVar(&prepare.ResampleTimes, "resample-times", false, "accept time points on different grids")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// check looks at a data set, or at one image as a set of its own.
func check(cmd *cobra.Command, root string, opt dataset.Options, prepare prep.Settings) (*dataset.Set, []dataset.Report, error) {
	if info, err := os.Stat(root); err == nil && !info.IsDir() && (opt.Layout == "" || opt.Layout == "auto") {
		switch {
		case volume.IsImageName(root):
			return &dataset.Set{Root: root, Layout: "one image", Cases: make([]dataset.Case, 1)}, []dataset.Report{dataset.CheckFile(root)}, nil
		case filepath.Base(root) == "dataset.json":
			root = filepath.Dir(root)
		}
	}
	set, err := dataset.Open(root, opt)
	if err != nil {
		return nil, nil, err
	}
	bar := cli.NewProgress("checking", len(set.Cases))
	defer bar.Shut()
	reports, err := dataset.Check(cmd.Context(), set, prepare, match, func(n int, _ dataset.Report) { bar.Set(n, "") })
	return set, reports, err
}

// match is what is doubtful about two time points that were aligned: mixed-up scans make a pair that teaches nothing true.
func match(p *prep.Prepared) string {
	if len(p.Aligned) != 2 {
		return ""
	}
	doubt, err := preparation.Matches(p.Aligned[0], p.Aligned[1], p.Masked)
	if err != nil {
		return err.Error()
	}
	return doubt
}

// show prints the reports; cases that cannot be used are an error.
func show(set *dataset.Set, reports []dataset.Report, asJSON bool) error {
	bad := 0
	t := &report.Table{
		Title: fmt.Sprintf("%s: layout %s, %s", set.Root, set.Layout, text.Plural(len(set.Cases), "case")),
		Columns: []report.Column{{Name: "case"}, {Name: "size"}, {Name: "spacing"}, {Name: "axes"}, {Name: "lesions"},
			{Name: "lesion volume", Unit: report.Millilitres}, {Name: "state"}},
	}
	problems := append([]dataset.Problem{}, set.Problems...)
	whole := slices.ContainsFunc(set.Problems, func(p dataset.Problem) bool { return p.Level == dataset.Error })
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
		if r.Size == ([3]int{}) { // no image was read
			t.Add(r.Case, nil, nil, nil, nil, nil, state)
			continue
		}
		t.Add(r.Case, fmt.Sprintf("%d×%d×%d", r.Size[0], r.Size[1], r.Size[2]),
			fmt.Sprintf("%.3g×%.3g×%.3g", r.Spacing[0], r.Spacing[1], r.Spacing[2]), r.Codes, r.Lesions, r.LesionMM3, state)
	}
	var err error
	if asJSON {
		err = cli.PrintJSON(map[string]any{"root": set.Root, "layout": set.Layout, "cases": len(set.Cases), "unusable": bad,
			"notes": append([]string{}, set.Notes...), "problems": problems, "unused": append([]dataset.Unused{}, set.Unused...)})
	} else {
		err = showText(t, set, problems)
	}
	switch {
	case err != nil:
	case bad > 0:
		err = fmt.Errorf("%s: %d of %s cannot be used", set.Root, bad, text.Plural(len(set.Cases), "case"))
	case whole:
		err = fmt.Errorf("%s: the data set cannot be used as it is", set.Root)
	}
	return err
}

func showText(t *report.Table, set *dataset.Set, problems []dataset.Problem) error {
	if err := t.WriteText(cli.Out); err != nil {
		return err
	}
	var b strings.Builder
	for _, n := range set.Notes {
		fmt.Fprintf(&b, "%s\n", text.CleanTo(n, text.MaxMessage))
	}
	for _, p := range problems {
		if p.Case != "" {
			fmt.Fprintf(&b, "%s: ", text.Clean(p.Case))
		}
		fmt.Fprintf(&b, "%s: %s\n", p.Level, text.CleanTo(p.Text, text.MaxMessage))
	}
	for _, g := range set.NotUsed() {
		level := "not used"
		if g.Lost {
			level = "warning: not in the data set"
		}
		fmt.Fprintf(&b, "%s: %s\n", level, text.CleanTo(fmt.Sprint(g), text.MaxMessage))
	}
	_, err := io.WriteString(cli.Out, b.String())
	return err
}
