// Package view is the command view.
package view

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/report/view"
)

// viewJob is one call of view.
type viewJob struct {
	time1, time2 string
	files        view.Files
	port         int
	noBrowser    bool
}

// New returns the command.
func New() *cobra.Command {
	var j viewJob
	cmd := &cobra.Command{
		Use:   "view [--time1 A] [--time2 B] [--mask M] [--truth T] [--probability P] [SCAN …]",
		Short: "Look at scans, masks and probabilities in a browser",
		Long: `Opens NIfTI images in a browser: scans side by side with one crosshair, and over
them a mask, a truth (then in green, red and blue: found, missed, false), a map of
probabilities, and a list of the lesions to jump to.

The page is served to this machine only, under an address with a secret in it, and
holds nothing but the files named. It needs no network. Ctrl-C, or another signal, ends it: that is its end, with exit status 0.`,
		Example: `  voxgrad view flair.nii.gz
  voxgrad view --time1 flair1.nii.gz --time2 flair2.nii.gz --mask new.nii.gz --truth ground_truth.nii.gz --probability prob.nii.gz`,
		RunE: func(cmd *cobra.Command, args []string) error {
			j.scans(args)
			if len(j.files.Scans) == 0 {
				return cli.Usagef(cmd, "no scan to show: name one, or give --time1 or --time2")
			}
			if j.port < 0 || j.port > 65535 {
				return cli.Usagef(cmd, "--port %d: a number from 1 to 65535, or 0 for any free port", j.port)
			}
			return j.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&j.time1, "time1", "", "first scan")
	f.StringVar(&j.time2, "time2", "", "second scan")
	f.StringVar(&j.files.Mask, "mask", "", "predicted mask")
	f.StringVar(&j.files.Truth, "truth", "", "true mask, on the grid of --mask")
	f.StringVar(&j.files.Probability, "probability", "", "map of probabilities, 0 to 1")
	cli.ReadsArgs(cmd, "SCAN")
	cli.Reads(cmd, "time1", "time2", "mask", "truth", "probability")
	cli.EndItself(cmd)
	f.IntVar(&j.port, "port", 0, "port of 127.0.0.1; 0 means any free one")
	f.BoolVar(&j.noBrowser, "no-browser", false, "print the address and open nothing")
	return cmd
}

// scans puts the time points first, then the others in the order given.
func (j *viewJob) scans(args []string) {
	add := func(label, path string) {
		if path != "" {
			j.files.Scans = append(j.files.Scans, view.Scan{Label: label, Path: path})
		}
	}
	add("time 1", j.time1)
	add("time 2", j.time2)
	for n, path := range args {
		add(fmt.Sprintf("scan %d", n+1), path)
	}
}

func (j *viewJob) run(cmd *cobra.Command) error {
	study, err := view.Load(j.files)
	if err != nil {
		return err
	}
	for _, n := range study.Notes() {
		slog.Warn(n)
	}
	server, err := view.Listen(j.port, study)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "Open this address in a browser on this machine; Ctrl-C ends the viewer:")
	fmt.Fprintln(cli.Out, server.URL())
	if !j.noBrowser {
		if err := server.OpenBrowser(); err != nil {
			slog.Warn("no browser was opened", "reason", err)
		}
	}
	return server.Serve(cmd.Context())
}
