// Package predict is the commands predict and segment.
package predict

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/device/cpu"
	"voxgrad/internal/outfile"
	"voxgrad/internal/settings"
	"voxgrad/metrics"
	"voxgrad/models"
	"voxgrad/prepare"
	"voxgrad/train/infer"
	"voxgrad/train/prep"
	"voxgrad/weights"
)

// predictJob is one call of segment or predict.
type predictJob struct {
	kind    string   // of the networks
	models  []string // weights files; several are an ensemble
	images  []string // one or two
	brain   string   // file, "none", or "" to find it
	brainAt float64  // threshold of a brain mask that is a map; 0: it must be a mask
	device  string
	out     string
	prob    string
	labels  string
	table   string
	picture string
	asJSON  bool

	prepare       string // auto, all or none
	grid          string // of the results: time1, time2 or prepared
	space         string // image whose grid is the transforms' common space
	transforms    []string
	voxelWeights  string
	patch, stride string
	opt           infer.Options
	anyContrast   bool
	builtIn       bool                  // one of the networks came with the program
	unmatched     bool                  // nobody has looked yet whether the time points show one head
	doubts        []string              // about the scans and their preparation, in words
	missed        *prepare.MissedRecord // brain of one scan that the other does not show; nil: none

	minMM3       float64 // lesions of this volume or less are not counted
	connectivity int
}

// NewSegment returns the command segment.
func NewSegment() *cobra.Command {
	j := predictJob{kind: models.Segmenter, images: make([]string, 1)}
	cmd := &cobra.Command{
		Use:     "segment --flair F --out M",
		Short:   "Find the lesions in one FLAIR scan",
		Long:    "Finds the lesions in a FLAIR scan.\n" + counting,
		Example: "  voxgrad segment --flair flair.nii.gz --out lesions.nii.gz --picture lesions.png\n  voxgrad segment --model segmenter.safetensors --flair flair.nii.gz --out lesions.nii.gz --prob prob.nii.gz --picture lesions.png",
		Args:    cli.ExactArgs(0, ""),
		RunE:    j.command,
	}
	cmd.Flags().StringVar(&j.images[0], "flair", "", "FLAIR scan, NIfTI (required)")
	cli.Reads(cmd, "flair")
	cli.Must(cmd.MarkFlagRequired("flair"))
	j.flags(cmd)
	return cmd
}

// New returns the command.
func New() *cobra.Command {
	j := predictJob{kind: models.Detector, images: make([]string, 2), transforms: make([]string, 2)}
	cmd := &cobra.Command{
		Use:   "predict --time1 A --time2 B --out M",
		Short: "Find the lesions that are new between two FLAIR scans",
		Long: `Finds the lesions that are present in the second FLAIR scan and not in the first.

Scans that are not on one grid are registered to one another, and the skull of scans that
have it is taken away: see --prepare, and 'voxgrad prepare'. Scans that another program
registered can be given with its affine transforms: then --space names an image on the
grid of the common space (and --resample-times accepts another grid in the same space).
The results come back on the grid of the first scan, or that of --grid.
` + counting,
		Example: `  voxgrad predict --time1 flair1.nii.gz --time2 flair2.nii.gz --out new.nii.gz
  voxgrad predict --model detector.safetensors --time1 flair1.nii.gz --time2 flair2.nii.gz --out new.nii.gz
  voxgrad predict --model fold_0.safetensors --model fold_1.safetensors --time1 a.nii.gz --time2 b.nii.gz --out new.nii.gz`,
		Args: cli.ExactArgs(0, ""),
		RunE: j.command,
	}
	f := cmd.Flags()
	f.StringVar(&j.images[0], "time1", "", "first FLAIR scan, NIfTI (required)")
	f.StringVar(&j.images[1], "time2", "", "second FLAIR scan (required)")
	f.StringVar(&j.transforms[0], "transform1", "", "ITK affine of the first scan: from points of the common space to points of the scan")
	f.StringVar(&j.transforms[1], "transform2", "", "ITK affine of the second scan: from points of the common space to points of the scan")
	f.StringVar(&j.space, "space", "", "image on the grid of the common space; needed with --transform1 or --transform2")
	cli.Reads(cmd, "time1", "time2", "transform1", "transform2", "space")
	cli.Must(cmd.MarkFlagRequired("time1"))
	cli.Must(cmd.MarkFlagRequired("time2"))
	j.flags(cmd)
	f.BoolVar(&j.opt.ResampleTimes, "resample-times", false, "accept a second scan on another grid of the same space")
	return cmd
}

const counting = `
The mask holds every voxel whose probability is above --threshold. A lesion is a
piece of it, connected by --connectivity, of more than --min-lesion-mm3: the table
and --labels, whose numbers are those of the table, leave smaller pieces out, as the
evaluation does.

Without --model the network that comes with the program is used. How the scan is prepared is in
the weights (normalisation, interpolation, windows, threshold, least size of a lesion); a flag
that says otherwise is obeyed with a warning.`

// flags are those that both commands have.
func (j *predictJob) flags(cmd *cobra.Command) {
	j.opt = infer.Defaults()
	f := cmd.Flags()
	f.StringArrayVar(&j.models, "model", []string{weights.Prefix + j.kind}, "weights file, or builtin:NAME for a network that comes with the program ('voxgrad weights list'); several make an ensemble")
	f.StringVar(&j.out, "out", "", "mask to write (required)")
	f.StringVar(&j.prob, "prob", "", "probability map to write")
	f.StringVar(&j.labels, "labels", "", "image of the lesions to write, numbered as in the table")
	f.StringVar(&j.table, "table", "", "table of lesions to write, CSV")
	f.StringVar(&j.picture, "picture", "", "picture of the largest lesions to write, PNG")
	f.BoolVar(&j.asJSON, "json", false, "print the table of lesions as JSON")
	f.StringVar(&j.brain, "brainmask", "", "brain mask on the scan's grid, or with --space on that grid; none: no mask; default: where a skull-stripped scan is not zero, else it is found")
	f.Float64Var(&j.brainAt, "brainmask-threshold", 0, "--brainmask may be a map or any image: its voxels above this are the brain")
	f.Float64Var(&j.opt.Threshold, "threshold", j.opt.Threshold, "a voxel is lesion above this probability")
	f.Float64Var(&j.minMM3, "min-lesion-mm3", metrics.DefaultOptions().MinLesionMM3, "lesions of this volume or less are not counted")
	f.Float64Var(&j.opt.Least, "remove-mm3", 0, "pieces of the mask of this volume or less, whose voxels share faces, are taken out of it (default: what the weights say, else none)")
	f.IntVar(&j.connectivity, "connectivity", 6, "voxels of one lesion share: 6 a face, 18 a face or an edge, 26 a face, an edge or a corner")
	f.StringVar(&j.prepare, "prepare", prepare.Auto, "auto: register time points that are not on one grid, and find the brain of scans with skull; all: prepare the scans whatever they are; none: take them as they are")
	f.BoolVar(&j.anyContrast, "any-contrast", false, "have the built-in networks search scans that are clearly no FLAIR, such as T1 or T2, too: they do not know them")
	f.StringVar(&j.grid, "grid", gridTime1, "grid of the results: "+strings.Join(j.grids(), ", "))
	f.StringVar(&j.opt.Normalize, "normalize", j.opt.Normalize, "intensity normalisation: kde, median or none")
	f.StringVar(&j.opt.Interpolation, "interpolation", j.opt.Interpolation, "onto the 1 mm grid: linear or cubic")
	f.StringVar(&j.patch, "patch", "64x64x64", "window in voxels of 1 mm, x, y, z")
	f.StringVar(&j.stride, "stride", "", "distance between windows in voxels, x, y, z (default: as the weights say, else half a window)")
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "hop" { // its former name
			name = "stride"
		}
		return pflag.NormalizedName(name)
	})
	f.StringVar(&j.voxelWeights, "weights", "uniform", "weights of the voxels in a window: uniform or gaussian")
	f.BoolVar(&j.opt.Mirror, "mirror", false, "average over mirrored images")
	cli.Reads(cmd, "model", "brainmask")
	cli.Writes(cmd, "out", cli.Images...)
	cli.Writes(cmd, "prob", cli.Images...)
	cli.Writes(cmd, "labels", cli.Images...)
	cli.Writes(cmd, "table", cli.Tables...)
	cli.Writes(cmd, "picture", cli.PNG...)
	cli.DeviceFlag(cmd, &j.device)
	cli.PrecisionFlag(cmd)
	cli.Must(cmd.MarkFlagRequired("out"))
}

func (j *predictJob) command(cmd *cobra.Command, _ []string) (err error) {
	if j.opt.Patch, err = settings.ParseSize(j.patch); err != nil {
		return cli.Usagef(cmd, "--patch: %v", err)
	}
	if err := models.CheckGrid(j.opt.Patch[:]...); err != nil {
		return cli.Usagef(cmd, "--patch: %v", err)
	}
	if err := j.strides(); err != nil {
		return cli.Usagef(cmd, "--stride: %v", err)
	}
	switch j.voxelWeights {
	case "uniform", "gaussian":
		j.opt.Gaussian = j.voxelWeights == "gaussian"
	default:
		return cli.Usagef(cmd, "--weights %q: want uniform or gaussian", j.voxelWeights)
	}
	if err := j.opt.Check(); err != nil {
		return cli.Usagef(cmd, "%v", err)
	}
	switch {
	case j.connectivity != 6 && j.connectivity != 18 && j.connectivity != 26:
		return cli.Usagef(cmd, "--connectivity %d: want 6, 18 or 26", j.connectivity)
	case !(j.minMM3 >= 0) || math.IsInf(j.minMM3, 1):
		return cli.Usagef(cmd, "--min-lesion-mm3 %g: a volume of 0 or more is needed", j.minMM3)
	case j.prepare != prepare.Auto && j.prepare != prepare.All && j.prepare != prepare.None:
		return cli.Usagef(cmd, "--prepare %q: want auto, all or none", j.prepare)
	case !slices.Contains(j.grids(), j.grid):
		return cli.Usagef(cmd, "--grid %q: want %s", j.grid, strings.Join(j.grids(), " or "))
	case j.prepare == prepare.All && j.opt.ResampleTimes:
		return cli.Usagef(cmd, "--prepare all registers the scans; --resample-times takes them where they are: give one or the other")
	case j.opt.ResampleTimes && j.space != "":
		return cli.Usagef(cmd, "--resample-times is for scans without --space, onto which both scans are brought")
	case j.prepare == prepare.All && j.space != "":
		return cli.Usagef(cmd, "--prepare all registers the scans itself; --space and transforms go with auto or none")
	case cmd.Flags().Changed("brainmask-threshold") && (j.brain == "" || j.brain == "none"):
		return cli.Usagef(cmd, "--brainmask-threshold goes with --brainmask FILE")
	case math.IsNaN(j.brainAt) || math.IsInf(j.brainAt, 0):
		return cli.Usagef(cmd, "--brainmask-threshold %g: a finite number is needed", j.brainAt)
	}
	return j.run(cmd)
}

// strides sets the distance between windows.
func (j *predictJob) strides() (err error) {
	if j.stride != "" {
		j.opt.Stride, err = settings.ParseSize(j.stride)
		return err
	}
	j.opt.HalfOverlap()
	return nil
}

// run reads, predicts, writes and prints.
func (j *predictJob) run(cmd *cobra.Command) error {
	// Images are few and large: what one has left behind should not wait for the heap to
	// double.
	debug.SetGCPercent(20)
	dev, err := cli.OpenDevice(cmd, j.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	var members []infer.Member
	var prepared []models.Preparation
	var biggest models.Config
	refs := j.models
	j.models = nil
	for _, ref := range refs {
		nets, names, err := weights.Load(dev, ref, j.kind)
		if err != nil {
			if !cmd.Flags().Changed("model") {
				err = fmt.Errorf("%w; with --model FILE weights of your own are used", err)
			}
			return err
		}
		j.models, j.builtIn = append(j.models, names...), j.builtIn || strings.HasPrefix(ref, weights.Prefix)
		for _, net := range nets {
			members, prepared = append(members, infer.Keep(net)), append(prepared, net.Preparation)
			if net.Width >= biggest.Width {
				biggest = net.Config
			}
		}
	}
	warnOfTwins(j.models)
	if err := j.obey(cmd, prepared); err != nil {
		return err
	}
	if _, ok := dev.(*cpu.Backend); ok {
		if err := infer.Fits(biggest, j.opt.Patch, len(j.models), cpu.AvailableMemory()); err != nil {
			return fmt.Errorf("--patch: %w", err)
		}
	}
	in, err := j.read(cmd)
	if err != nil {
		return err
	}
	if err := cli.CheckPaths(cmd, func(p *outfile.Plan) { // of the size that is known now
		voxels := int64(in.Times[0].Len())
		p.Size(j.out, voxels/1000, voxels)
		for _, path := range []string{j.prob, j.labels} {
			if path != "" {
				p.Size(path, voxels/1000, 4*voxels)
			}
		}
	}); err != nil {
		return err
	}
	for _, v := range in.Times { // before they are brought to 1 mm
		if what := prep.Coarse(v); what != "" {
			j.doubt(what)
		}
	}
	in, to, err := j.prepared(cmd.Context(), dev, in)
	if err != nil {
		return err
	}
	masked := in.Brain != nil && in.Space == nil
	result, err := j.predict(cmd.Context(), members, in)
	if err != nil {
		return err
	}
	if to != nil {
		if err := to.back(result, j.opt); err != nil {
			return err
		}
	}
	return j.write(masked, result)
}

// warnOfTwins tells of a file, or a built-in network, that is given twice: its answer counts twice.
func warnOfTwins(names []string) {
	infos := make([]os.FileInfo, len(names))
	for n, name := range names {
		if !strings.HasPrefix(name, weights.Prefix) {
			infos[n], _ = os.Stat(name) // it was read
		}
		for k, other := range infos[:n] {
			if names[k] == name || other != nil && infos[n] != nil && os.SameFile(infos[n], other) {
				slog.Warn(fmt.Sprintf("--model: %s and %s are the same network, which counts twice in the ensemble", names[k], name))
			}
		}
	}
}

// warnOfSilence tells of members that do not say how their input is prepared, where others
// do: all get the same input.
func (j *predictJob) warnOfSilence(prepared []models.Preparation) {
	for n, p := range prepared {
		for m, q := range prepared {
			if p.Normalize == "" && q.Normalize != "" {
				slog.Warn(fmt.Sprintf("%s does not say how its input is prepared; it is prepared as for %s", j.models[n], j.models[m]))
				break
			}
		}
	}
}

// obey takes over what the weights say of their input.
func (j *predictJob) obey(cmd *cobra.Command, prepared []models.Preparation) error {
	all, err := infer.Agree(j.models, prepared)
	if err != nil {
		return err
	}
	j.warnOfSilence(prepared)
	against := j.opt.Obey(all, func(setting string) bool { return cmd.Flags().Changed(setting) })
	if len(against) > 0 {
		slog.Warn(fmt.Sprintf("%s: %s; the command line is obeyed", strings.Join(j.models, ", "), strings.Join(against, "; ")))
	}
	if err := j.opt.Check(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(j.models, ", "), err)
	}
	return nil
}

// predict shows the progress of infer.Predict.
func (j *predictJob) predict(ctx context.Context, members []infer.Member, in prep.Case) (*infer.Result, error) {
	var bar *cli.Progress
	opt := j.opt
	opt.WithoutImages = j.picture == ""
	opt.Members, opt.Look = len(members) > 1, j.look
	opt.Progress = func(done, total int) {
		if bar == nil {
			bar = cli.NewProgress("predicting", total)
		}
		bar.Set(done, "")
	}
	defer func() { bar.Shut() }()
	return infer.Predict(ctx, members, in, opt)
}
