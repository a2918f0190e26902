// Package predict is the commands predict and segment.
package predict

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/outfile"
	"voxgrad/internal/settings"
	"voxgrad/models"
	"voxgrad/report"
	"voxgrad/train/infer"
	"voxgrad/train/prep"
	"voxgrad/volume"
)

// predictJob is one call of segment or predict.
type predictJob struct {
	kind    string   // of the networks
	models  []string // weights files; several are an ensemble
	images  []string // one or two
	brain   string   // file, "none", or "" to find it
	device  string
	out     string
	prob    string
	table   string
	picture string
	asJSON  bool

	space      string // image whose grid is the transforms' common space
	transforms []string
	weights    string
	patch, hop string
	opt        infer.Options
}

// NewSegment returns the command segment.
func NewSegment() *cobra.Command {
	j := predictJob{kind: models.Segmenter, images: make([]string, 1)}
	cmd := &cobra.Command{
		Use:     "segment --model W --flair F --out M",
		Short:   "Find the lesions in one FLAIR scan",
		Example: "  voxgrad segment --model segmenter.safetensors --flair flair.nii.gz --out lesions.nii.gz --prob prob.nii.gz --picture lesions.png",
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
		Use:   "predict --model W [--model W2 …] --time1 A --time2 B --out M",
		Short: "Find the lesions that are new between two FLAIR scans",
		Long: `Finds the lesions that are present in the second FLAIR scan and not in the first.

Both scans must lie on one grid, in one space (--resample-times accepts another
grid in the same space). Scans that were not moved can be given with the affine
transforms of a registration: then --space names an image on the grid of the common
space, and the results come back on the grid of the first scan.`,
		Example: `  voxgrad predict --model detector.safetensors --time1 flair1.nii.gz --time2 flair2.nii.gz --out new.nii.gz
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

// flags are those that both commands have.
func (j *predictJob) flags(cmd *cobra.Command) {
	j.opt = infer.Defaults()
	f := cmd.Flags()
	f.StringArrayVar(&j.models, "model", nil, "weights file; several make an ensemble (required)")
	f.StringVar(&j.out, "out", "", "mask to write (required)")
	f.StringVar(&j.prob, "prob", "", "probability map to write")
	f.StringVar(&j.table, "table", "", "table of lesions to write, CSV")
	f.StringVar(&j.picture, "picture", "", "picture of the largest lesions to write, PNG")
	f.BoolVar(&j.asJSON, "json", false, "print the table of lesions as JSON")
	f.StringVar(&j.brain, "brainmask", "", "brain mask on the scan's grid; none: no mask; default: where a skull-stripped scan is not zero")
	f.StringVar(&j.opt.Normalize, "normalize", j.opt.Normalize, "intensity normalisation: kde, median or none")
	f.StringVar(&j.opt.Interpolation, "interpolation", j.opt.Interpolation, "onto the 1 mm grid: linear or cubic")
	f.StringVar(&j.patch, "patch", "64x64x64", "window in voxels of 1 mm, x, y, z")
	f.StringVar(&j.hop, "hop", "", "distance between windows (default half a window)")
	f.StringVar(&j.weights, "weights", "uniform", "weights of the voxels in a window: uniform or gaussian")
	f.BoolVar(&j.opt.Mirror, "mirror", false, "average over mirrored images")
	cli.Reads(cmd, "model", "brainmask")
	cli.Writes(cmd, "out", cli.Images...)
	cli.Writes(cmd, "prob", cli.Images...)
	cli.Writes(cmd, "table", cli.Tables...)
	cli.Writes(cmd, "picture", cli.PNG...)
	cli.DeviceFlag(cmd, &j.device)
	cli.Must(cmd.MarkFlagRequired("model"))
	cli.Must(cmd.MarkFlagRequired("out"))
}

func (j *predictJob) command(cmd *cobra.Command, _ []string) (err error) {
	if j.opt.Patch, err = settings.ParseSize(j.patch); err != nil {
		return cli.Usagef(cmd, "--patch: %v", err)
	}
	for a, n := range j.opt.Patch {
		j.opt.Hop[a] = max(1, n/2)
	}
	if j.hop != "" {
		if j.opt.Hop, err = settings.ParseSize(j.hop); err != nil {
			return cli.Usagef(cmd, "--hop: %v", err)
		}
	}
	switch j.weights {
	case "uniform", "gaussian":
		j.opt.Gaussian = j.weights == "gaussian"
	default:
		return cli.Usagef(cmd, "--weights %q: want uniform or gaussian", j.weights)
	}
	if err := j.opt.Check(); err != nil {
		return cli.Usagef(cmd, "%v", err)
	}
	return j.run(cmd)
}

// run reads, predicts, writes and prints.
func (j *predictJob) run(cmd *cobra.Command) error {
	dev, err := cli.OpenDevice(cmd, j.device)
	if err != nil {
		return err
	}
	defer dev.Close()
	var members []infer.Member
	for _, path := range j.models {
		net, err := models.Load(dev, path, j.kind)
		if err != nil {
			return err
		}
		members = append(members, infer.Keep(net))
	}
	in, err := j.read()
	if err != nil {
		return err
	}
	if err := cli.CheckPaths(cmd, func(p *outfile.Plan) { // of the size that is known now
		voxels := int64(in.Times[0].Len())
		p.Size(j.out, voxels/1000, voxels)
		if j.prob != "" {
			p.Size(j.prob, voxels/1000, 4*voxels)
		}
	}); err != nil {
		return err
	}
	ctx := cmd.Context()
	result, err := j.predict(ctx, members, in)
	if err != nil {
		return err
	}
	back(in, result, j.opt.Threshold)
	return j.write(in, result)
}

// predict shows the progress of infer.Predict.
func (j *predictJob) predict(ctx context.Context, members []infer.Member, in prep.Case) (*infer.Result, error) {
	var bar *cli.Progress
	opt := j.opt
	opt.Progress = func(done, total int) {
		if bar == nil {
			bar = cli.NewProgress("predicting", total)
		}
		bar.Set(done, "")
	}
	defer func() { bar.Shut() }()
	return infer.Predict(ctx, members, in, opt)
}

// write writes what was asked for and prints the table.
func (j *predictJob) write(in prep.Case, r *infer.Result) error {
	lesions, err := report.Lesions(r.Mask.Volume(), r.Prob)
	if err != nil {
		return err
	}
	var files outfile.Set
	defer files.Discard()
	if j.prob != "" {
		if err := volume.WriteIn(&files, j.prob, r.Prob, volume.Float32); err != nil {
			return err
		}
	}
	if j.picture != "" {
		img, err := report.LesionPicture(picture(j.kind, r, in.Brain != nil))
		if err != nil {
			return err
		}
		if err := report.WritePNGIn(&files, j.picture, img); err != nil {
			return err
		}
	}
	if j.table != "" {
		if err := writeLesionCSV(&files, j.table, lesions); err != nil {
			return err
		}
	}
	if err := volume.WriteMaskIn(&files, j.out, r.Mask); err != nil {
		return err
	}
	if err := files.Commit(); err != nil {
		return err
	}
	if j.asJSON {
		return cli.PrintJSON(map[string]any{"mask": j.out, "lesions": lesionRows(lesions)})
	}
	what := "lesions"
	if j.kind == models.Detector {
		what = "new lesions"
	}
	if len(lesions) == 0 {
		fmt.Fprintf(cli.Out, "no %s\n", what)
		return nil
	}
	return report.LesionTable(what, lesions).WriteText(cli.Out)
}
