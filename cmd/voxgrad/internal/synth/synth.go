// Package synth is the command synth.
package synth

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"voxgrad/augment"
	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/device"
	"voxgrad/internal/outfile"
	"voxgrad/internal/rng"
	"voxgrad/internal/settings"
	"voxgrad/models"
	"voxgrad/synth"
	"voxgrad/train"
	"voxgrad/train/infer"
	"voxgrad/train/prep"
)

// synthJob is one call of synth.
type synthJob struct {
	flair, lesions string
	brain          string
	inpainter      string
	generator      string
	prior, white   string
	atlas          bool
	shapes         []string
	out            string
	count          int
	seed           uint64
	augment        string
	window         string
	device         string
	asJSON         bool
	labels         string // makes labelsJob of it

	prep    prep.Settings
	cfg     synthConfig
	rules   augment.Preset
	windows synth.Windows
}

// synthConfig is what --config of synth may hold.
type synthConfig struct{ synth.Options }

// ParseTOML implements configuration.
func (c *synthConfig) ParseTOML(text []byte) error { return settings.Decode(text, c) }

// TOML implements configuration.
func (c *synthConfig) TOML() ([]byte, error) { return settings.Encode(c) }

const synthLong = `Makes synthetic pairs of time points out of one FLAIR scan and its lesion mask: some
of its lesions are taken away from one or both time points by the inpainter, others
are put in by the generator. The networks come from 'voxgrad train inpainter' and
'voxgrad train generator'.

The folder --out receives, for each pair,

  flair_time01.nii.gz, flair_time02.nii.gz       the two scans
  lesions_time01.nii.gz, lesions_time02.nii.gz   all lesions of each
  new_lesions.nii.gz                             those at time 2 and not at time 1
  record.json                                    every lesion: origin, where it is present, size, place
  pair.png                                       the lesions that differ, side by side

With --count above 1 the pairs lie in folders pair001, pair002, … of it.

All files are on the scan's own grid. A voxel that no network filled has the scan's
value, to the bit; so it is unless --augment asks for a preset that also degrades the two
scans as training does (then they lose skull and background). Integer scans of up
to 16 bits stay what they are, others are written as float32.

Lesions are put where --white-matter times --prior allows: maps in the space of the scan, on any
grid; white matter is that of the built-in atlas, registered to the scan, if no map is given.
Without a map, and where the scan does not match the atlas (as a phantom) or --atlas=false, at least
5 mm inside the brain (--erode-mm). Their shapes are those
of the masks given with --shapes, or of the scan's own lesions.

With --labels DIR whole scans are drawn from label maps of heads, as 'voxgrad train
segmenter|detector --labels' draws them (docs/synthesis.md): --find new is two scans of a
patient with new lesions between them, lesions one with lesions, brain a head with its skull.
--config is then a configuration of that training, and --montage shows what was drawn.
With --scans lesions are drawn into real scans too, those that the training keeps for validation left out.
Beside flair…, lesions… and new_lesions.nii.gz there are brainmask.nii.gz and, for pairs,
change_kind.nii.gz: 1 a lesion that stays, 2 new, 3 gone, 4 grown, 5 shrunk.`

// New returns the command.
func New() *cobra.Command {
	j := synthJob{prep: prep.Defaults(), cfg: synthConfig{synth.Defaults()}}
	cmd := &cobra.Command{
		Use:   "synth --flair F --lesions M --inpainter I --generator G --out DIR | --labels DIR --out DIR",
		Short: "Make synthetic pairs of time points out of one scan, or scans out of label maps",
		Long:  synthLong,
		Example: `  voxgrad synth --flair flair.nii.gz --lesions lesions.nii.gz --inpainter inpainter.safetensors --generator generator.safetensors --out pair
  voxgrad synth --flair flair.nii.gz --lesions lesions.nii.gz --inpainter i.safetensors --generator g.safetensors --out pairs --count 20 --seed 7 --prior lesion_count.nii.gz --shapes masks/
  voxgrad synth --labels label_maps/ --shapes masks/ --out drawn --count 6 --montage drawn.png`,
		Args: cli.ExactArgs(0, ""),
	}
	f := cmd.Flags()
	f.StringVar(&j.flair, "flair", "", "FLAIR scan, NIfTI (required)")
	f.StringVar(&j.lesions, "lesions", "", "mask of its lesions, on its grid (required)")
	f.StringVar(&j.inpainter, "inpainter", "", "weights of the inpainter (required)")
	f.StringVar(&j.generator, "generator", "", "weights of the generator (required)")
	f.StringVar(&j.out, "out", "", "folder to write to (required)")
	f.IntVar(&j.count, "count", 1, "number of pairs")
	f.Uint64Var(&j.seed, "seed", 1, "seed of everything random; the same seed and options give the same files")
	f.StringVar(&j.prior, "prior", "", "map of where lesions occur, in the space of the scan")
	f.StringVar(&j.white, "white-matter", "", "map of the likelihood of white matter, in the space of the scan (default: that of the built-in atlas, see --atlas)")
	f.BoolVar(&j.atlas, "atlas", true, "without --white-matter, register the built-in atlas to the scan and put lesions where it has white matter")
	f.StringArrayVar(&j.shapes, "shapes", nil, "lesion mask, or folder of them, whose lesions have their shapes used; may be given several times (default: the scan's own)")
	f.StringVar(&j.augment, "augment", "none", "degrade each time point by a preset: "+strings.Join(augment.Names(), ", "))
	f.StringVar(&j.brain, "brainmask", "", "brain mask on the scan's grid (default: where a skull-stripped scan is not zero)")
	f.StringVar(&j.prep.Normalize, "normalize", j.prep.Normalize, "intensity normalisation: kde, median or none (default: what the networks' weights say, else kde)")
	f.StringVar(&j.prep.Interpolation, "interpolation", j.prep.Interpolation, "onto the 1 mm grid: linear or cubic (default: what the weights say, else linear)")
	f.StringVar(&j.window, "window", "64x64x64", "what the networks see at once, voxels of 1 mm (default: the patch they were trained on, where the weights say one)")
	f.BoolVar(&j.asJSON, "json", false, "print the records")
	l := labelsJob{synthJob: &j}
	f.StringVar(&j.labels, "labels", "", "folder of label maps of heads, to draw scans from instead of a scan to change")
	f.StringVar(&l.find, "find", train.FindNew, "with --labels: what is drawn: "+strings.Join([]string{train.FindNew, train.FindLesions, train.FindBrain}, ", "))
	f.StringVar(&l.scans, "scans", "", "with --labels: data set of scans of one visit ('voxgrad prepare --data') that lesions are drawn into too, for labels.scan_share of the samples")
	f.StringVar(&l.size, "size", "", "with --labels: size of the scans in voxels, x, y, z (default: room for a brain)")
	f.StringVar(&l.montage, "montage", "", "with --labels: picture of what was drawn to write, PNG")
	cli.Reads(cmd, "flair", "lesions", "inpainter", "generator", "prior", "white-matter", "shapes", "brainmask", "labels", "scans")
	cli.Writes(cmd, "montage", cli.PNG...)
	cli.Fills(cmd, "out")
	cli.EndItself(cmd)
	cli.DeviceFlag(cmd, &j.device)
	cli.PrecisionFlag(cmd)
	options := cli.BindSettings(cmd, &j.cfg, nil)
	cli.Must(cmd.MarkFlagRequired("out"))
	cmd.MarkFlagsOneRequired("flair", "labels")
	cmd.MarkFlagsMutuallyExclusive("flair", "labels")
	cmd.MarkFlagsRequiredTogether("flair", "lesions", "inpainter", "generator")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("labels") {
			if err := j.onlyOf(cmd); err != nil {
				return err
			}
			if err := l.check(cmd, options.File); err != nil {
				return err
			}
			if err := cli.CheckPaths(cmd, func(p *outfile.Plan) { j.outputs(p, l.files()) }); err != nil {
				return err
			}
			return l.run(cmd)
		}
		for _, name := range []string{"find", "scans", "size", "montage"} {
			if cmd.Flags().Changed(name) {
				return cli.Usagef(cmd, "--%s goes with --labels", name)
			}
		}
		if err := options.Resolve(); err != nil {
			return err
		}
		if err := j.check(cmd); err != nil {
			return err
		}
		if err := cli.CheckPaths(cmd, func(p *outfile.Plan) { j.outputs(p, synthFiles()) }); err != nil {
			return err
		}
		return j.run(cmd)
	}
	return cmd
}

// onlyOf refuses flags that have no meaning with --labels.
func (j *synthJob) onlyOf(cmd *cobra.Command) (err error) {
	shared := []string{"labels", "out", "count", "seed", "shapes", "augment", "find", "scans", "size", "montage", "json", "config", "device", "precision"}
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && !slices.Contains(shared, f.Name) && err == nil {
			err = cli.Usagef(cmd, "--%s has no meaning with --labels: what is drawn is set in the table [labels] of --config", f.Name)
		}
	})
	return err
}

// check finds what is wrong with the command line before anything is read.
func (j *synthJob) check(cmd *cobra.Command) (err error) {
	if j.out == "" {
		return cli.Usagef(cmd, "--out is empty: name the folder to write to")
	}
	if j.count < 1 || j.count > 100000 {
		return cli.Usagef(cmd, "--count %d: from 1 to 100000", j.count)
	}
	if err := j.cfg.Check(); err != nil {
		return cli.Usagef(cmd, "%v", err)
	}
	if err := j.prep.Check(); err != nil {
		return cli.Usagef(cmd, "%v", err)
	}
	if j.windows.Size, err = settings.ParseSize(j.window); err != nil {
		return cli.Usagef(cmd, "--window: %v", err)
	}
	if err := models.CheckGrid(j.windows.Size[:]...); err != nil {
		return cli.Usagef(cmd, "--window: %v", err)
	}
	if j.rules, err = augment.Named(j.augment); err != nil {
		return cli.Usagef(cmd, "--augment: %v", err)
	}
	j.rules.Orientation = augment.NoOrientation // masks and anatomy stay where they are
	return nil
}

// run makes all pairs.
func (j *synthJob) run(cmd *cobra.Command) error {
	dev, err := cli.OpenDevice(cmd, j.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	nets, err := j.networks(dev)
	if err != nil {
		return err
	}
	if err := j.obey(cmd, nets); err != nil {
		return err
	}
	in, err := j.read()
	if err != nil {
		return err
	}
	tidy, err := outfile.Folder(j.out) // before minutes of work
	if err != nil {
		return err
	}
	defer tidy()
	var records []synthRecord
	for n := range j.count {
		r, err := j.pair(cmd.Context(), dev, nets, in, n, j.dir(n))
		if cmd.Context().Err() != nil && err != nil {
			return cli.Stopped(fmt.Errorf("interrupted after %d of %d pairs, which are complete; the same command makes all of them, the same ones", n, j.count))
		}
		if err != nil {
			return err
		}
		records = append(records, *r)
	}
	slog.Info("pairs written", "pairs", j.count, "folder", j.out)
	if j.asJSON {
		return cli.PrintJSON(records)
	}
	if j.count == 1 {
		return synthLesionTable(records[0]).WriteText(cli.Out)
	}
	return synthTable(records).WriteText(cli.Out)
}

// dir is where pair n lies.
func (j *synthJob) dir(n int) string {
	if j.count == 1 {
		return j.out
	}
	return filepath.Join(j.out, fmt.Sprintf("pair%03d", n+1))
}

// outputs adds the files of the pairs. Folders that are not there yet hold no input.
func (j *synthJob) outputs(p *outfile.Plan, names []string) {
	for n := range j.count {
		if _, err := os.Stat(j.dir(n)); err != nil {
			continue
		}
		for _, name := range names {
			p.Write("--out", filepath.Join(j.dir(n), name))
		}
	}
}

func (j *synthJob) networks(dev device.ImagingBackend) (nets synth.Networks, err error) {
	if nets.Inpainter, err = models.Load(dev, j.inpainter, models.Inpainter); err != nil {
		return nets, err
	}
	if nets.Generator, err = models.Load(dev, j.generator, models.Generator); err != nil {
		return nets, err
	}
	return nets, nets.Check()
}

// obey prepares the scan as the networks' weights say, but for what the user has chosen, and
// refuses windows that the device has no memory for.
func (j *synthJob) obey(cmd *cobra.Command, nets synth.Networks) error {
	in, gen := nets.Inpainter.Preparation, nets.Generator.Preparation
	p, err := infer.Agree([]string{j.inpainter, j.generator}, []models.Preparation{in, gen})
	if err != nil {
		return err
	}
	if in.Patch != gen.Patch {
		p.Patch = [3]int{} // each has a window of its own; the default serves both
	}
	o := infer.Options{Settings: j.prep, Patch: j.windows.Size}
	for _, against := range o.Obey(p, func(setting string) bool {
		if setting == "patch" {
			setting = "window"
		}
		return cmd.Flags().Changed(setting)
	}) {
		slog.Warn("a setting contradicts what the networks were trained with", "setting", against)
	}
	j.prep, j.windows.Size = o.Settings, o.Patch
	limit, err := cli.DeviceMemory(cmd, j.device)
	if err != nil || limit == 0 {
		return err
	}
	return infer.Fits(nets.Generator.Config, j.windows.Size, 1, limit)
}

// streams of one pair: of the plan, and of each time point's augmentation.
func (j *synthJob) streams(pair int) (plan *rng.Stream, degrade [2]*rng.Stream) {
	plan = rng.New(j.seed, "synth", pair)
	for t := range degrade {
		degrade[t] = rng.New(j.seed, "synth", pair, "augment", t)
	}
	return plan, degrade
}
