// Package prepare is the command prepare.
package prepare

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/outfile"
	"voxgrad/internal/settings"
	"voxgrad/prepare"
	"voxgrad/train/dataset"
	"voxgrad/volume"
)

// job is one call of prepare.
type job struct {
	flair        string
	time1, time2 string
	brain        string
	between      string
	out          string
	asJSON       bool
	device       string
	cfg          config
	set          setJob
}

// config is what --config of prepare may hold.
type config struct{ prepare.Settings }

// ParseTOML implements configuration.
func (c *config) ParseTOML(text []byte) error { return settings.Decode(text, c) }

// TOML implements configuration.
func (c *config) TOML() ([]byte, error) { return settings.Encode(c) }

const long = `Brings FLAIR scans as a scanner writes them to what the networks work on: the brain is
found, the bias field taken out, the time points are registered to one another into the space halfway between
them and together to an atlas in the MNI space, and resampled once to its 1 mm grid. The scans may have any orientation, spacing and position.

The folder --out receives

  flair.nii.gz, or flair_time01.nii.gz and flair_time02.nii.gz    the prepared scans
  brainmask.nii.gz                                  what is brain in all of them
  prepared_to_scan.txt, scan_to_prepared.txt        ITK transforms between points of the prepared space
                                                    and of the scan; of a pair, _time01 and _time02
  bias.nii.gz                                       what the scan was divided by; of a pair, _time01 and _time02
  check.png                                         a picture to check it by: slices with the brain's outline, a pair's scans
                                                    in squares in turn, and the fields
  record.json                                       what was done, with the measures of its quality

prepared_to_scan.txt resamples the scan onto the prepared grid (antsApplyTransforms -t, or
SimpleITK.Resample), scan_to_prepared.txt results back onto the scan's grid. Each step can be
left out, or taken over from elsewhere: --brainmask, --between.

--data prepares all cases of a data set, in any layout that training reads, with their lesion masks, brain
masks and maps. --out becomes a data set: the table cases.csv for training, the folders of the cases in cases/,
and prepared.json with the measures of each case. A case is prepared whole or not at all; one that fails is
named with its reason, and the exit status is then 1. The same command again goes on where it stopped.`

// New returns the command.
func New() *cobra.Command {
	j := &job{cfg: config{prepare.Defaults()}, set: setJob{opt: dataset.Options{Layout: "auto", Truth: "auto"}}}
	cmd := &cobra.Command{
		Use:   "prepare --flair F --out DIR | prepare --time1 A --time2 B --out DIR | prepare --data SET --out DIR",
		Short: "Prepare raw scans: register them, find the brain, correct the bias field",
		Long:  long,
		Example: `  voxgrad prepare --time1 visit1.nii.gz --time2 visit2.nii.gz --out prepared
  voxgrad prepare --flair flair.nii.gz --brainmask brain.nii.gz --atlas none --out prepared
  voxgrad prepare --data raw/ --out prepared/ --jobs 4`,
		Args: cli.ExactArgs(0, ""),
	}
	f := cmd.Flags()
	f.StringVar(&j.flair, "flair", "", "FLAIR scan, NIfTI")
	f.StringVar(&j.time1, "time1", "", "first FLAIR scan of a pair")
	f.StringVar(&j.time2, "time2", "", "second FLAIR scan of a pair")
	f.StringVar(&j.brain, "brainmask", "", "brain mask on the grid of one of the scans (default: it is found)")
	f.StringVar(&j.between, "between", "", "ITK transform of a registration made elsewhere: from points of the first scan to points of the second")
	f.StringVar(&j.set.root, "data", "", "data set to prepare: a folder or a table (see docs/formats.md)")
	f.StringVar(&j.set.opt.Layout, "layout", j.set.opt.Layout, "with --data, how the files are arranged: auto, "+strings.Join(dataset.Layouts(), ", "))
	f.StringVar(&j.set.opt.Truth, "truth", j.set.opt.Truth, "with --data, whose mask: auto, consensus, majority, any, rater1, rater2, …")
	f.IntSliceVar(&j.set.opt.Channels, "channels", nil, "with --data in nnU-Net's layout: channels that are the time points")
	f.IntVar(&j.set.jobs, "jobs", 2, "with --data, how many cases are prepared at a time")
	f.BoolVar(&j.set.overwrite, "overwrite", false, "with --data, prepare again what is there from other files, with other settings or by another version of the program")
	f.StringVar(&j.out, "out", "", "folder to write to (required)")
	f.BoolVar(&j.asJSON, "json", false, "print the record, or with --data those of all cases")
	cli.Reads(cmd, "flair", "time1", "time2", "brainmask", "between", "data")
	cli.Fills(cmd, "out")
	cli.DeviceFlag(cmd, &j.device)
	cli.Must(cmd.MarkFlagRequired("out"))
	cli.EndItself(cmd) // what is half-written goes first
	options := cli.BindSettings(cmd, &j.cfg, nil)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := options.Resolve(); err != nil {
			return err
		}
		return j.run(cmd)
	}
	return cmd
}

func (j *job) run(cmd *cobra.Command) error {
	paths := []string{j.time1, j.time2}
	if j.flair != "" {
		paths = paths[:0]
		paths = append(paths, j.flair)
	}
	if j.set.root == "" {
		for _, name := range []string{"layout", "truth", "channels", "jobs", "overwrite"} {
			if cmd.Flags().Changed(name) {
				return cli.Usagef(cmd, "--%s goes with --data", name)
			}
		}
	}
	switch {
	case j.set.root != "":
		for _, name := range []string{"flair", "time1", "time2", "brainmask", "between"} {
			if cmd.Flags().Changed(name) {
				return cli.Usagef(cmd, "--%s is of one patient, --data of a data set: give one or the other", name)
			}
		}
	case j.flair != "" && (j.time1 != "" || j.time2 != ""):
		return cli.Usagef(cmd, "--flair is for one scan, --time1 and --time2 for a pair: give one or the other")
	case j.flair == "" && (j.time1 == "" || j.time2 == ""):
		return cli.Usagef(cmd, "a scan to prepare is needed: --flair, or --time1 and --time2, or --data for many")
	case j.flair != "" && j.between != "":
		return cli.Usagef(cmd, "--between goes with --time1 and --time2")
	}
	if err := j.cfg.Check(); err != nil {
		return cli.Usagef(cmd, "%v", err)
	}
	if j.set.root != "" {
		j.set.out, j.set.device, j.set.asJSON, j.set.settings = j.out, j.device, j.asJSON, j.cfg.Settings
		return j.set.run(cmd)
	}
	if err := cli.CheckPaths(cmd, func(p *outfile.Plan) { p.Fill("--out", j.out, prepare.Files(len(paths))...) }); err != nil {
		return err
	}
	if err := unmixed(j.out, len(paths)); err != nil {
		return err
	}
	var in prepare.Input
	for _, path := range paths {
		v, err := volume.Read(path)
		if err != nil {
			return err
		}
		in.Times = append(in.Times, v)
	}
	if j.brain != "" {
		m, err := volume.ReadMask(j.brain)
		if err != nil {
			return err
		}
		in.Brain = m
	}
	if j.between != "" {
		t, err := volume.ReadITK(j.between)
		if err != nil {
			return err
		}
		in.Between = &t
	}
	dev, err := cli.OpenDevice(cmd, j.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	extract, free := prepare.Found(dev)
	defer free()
	in.Extract = extract
	p, err := prepare.Run(cmd.Context(), in, j.cfg.Settings)
	if err != nil {
		return registerOrNot(err)
	}
	if err := p.Write(j.out); err != nil {
		return err
	}
	if j.asJSON {
		return cli.PrintJSON(p.Record)
	}
	_, err = fmt.Fprint(cli.Out, Summary(p.Record))
	return err
}

// registerOrNot adds what to do to the error of two time points on one grid that do not match there.
func registerOrNot(err error) error {
	if m := (*prepare.MatchError)(nil); errors.As(err, &m) {
		return fmt.Errorf("%w if so, have them registered (--register all) or take them as they are (--register none)", err)
	}
	return err
}

// unmixed refuses a folder that holds what was made of a pair where one scan is prepared, or the
// other way round: what is there afterwards would belong to two preparations.
func unmixed(dir string, times int) error {
	for _, name := range prepare.Files(3 - times) {
		if slices.Contains(prepare.Files(times), name) {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return fmt.Errorf("--out %s: %s is there, of another preparation (%d scans were prepared, now %d): give another folder, or empty this one", dir, name, 3-times, times)
		}
	}
	return nil
}

// Summary is a record in a few lines.
func Summary(r prepare.Record) string {
	var b strings.Builder
	for _, s := range r.Scans {
		fmt.Fprintf(&b, "%s: brain %s", s.File, s.Brain)
		if s.BrainML > 0 {
			fmt.Fprintf(&b, ", %.0f ml", s.BrainML)
		}
		if s.Certainty > 0 {
			fmt.Fprintf(&b, ", certainty %.2f", s.Certainty)
		}
		b.WriteByte('\n')
	}
	if t := r.Times; t != nil {
		fmt.Fprintf(&b, "time points: %s, %.1f° and %.1f mm apart", t.How, t.Degrees, t.MM)
		if t.Correlation > 0 {
			fmt.Fprintf(&b, "; local correlation %.3f; where both scans are, %.0f %% of the heads cover each other", t.Correlation, 100*t.Overlap)
		}
		b.WriteByte('\n')
	}
	if a := r.Atlas; a != nil {
		fmt.Fprintf(&b, "atlas: %s, turned by %.1f°, volumes × %.2f; local correlation %.2f, %.0f %% of the brain seen\n", a.How, a.Degrees, a.Volume, a.Correlation, 100*a.Seen)
	}
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", w)
	}
	total := 0.0
	for _, s := range r.Seconds {
		total += s.Seconds
	}
	fmt.Fprintf(&b, "%.1f s\n", total)
	return b.String()
}
