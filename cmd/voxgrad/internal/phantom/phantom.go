// Package phantom is the command phantom.
package phantom

import (
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/outfile"
	"voxgrad/internal/settings"
	"voxgrad/train/dataset"
)

// New returns the command.
func New() *cobra.Command {
	job := dataset.Phantoms{Prefix: "phantom"}
	size := "96x112x96"
	cmd := &cobra.Command{
		Use:   "phantom --out DIR",
		Short: "Make pairs of brain-like FLAIR scans with known lesions",
		Long: `Makes pairs of skull-stripped, brain-like FLAIR volumes with lesions that are new,
grown, shrunk, vanished and unchanged between the two time points, scanned with
different contrast, bias field, noise and residual misregistration.

Each pair is a folder in the challenge's layout (flair_time01_on_middle_space.nii.gz,
flair_time02_on_middle_space.nii.gz, ground_truth.nii.gz, brain_mask.nii.gz), with all
lesions of each time point in lesions_time01.nii.gz and lesions_time02.nii.gz and a
record of each lesion in record.json. DIR itself is a data set for the detector;
DIR/single.csv lists every time point as a data set for the segmenter.`,
		Example: "  voxgrad phantom --out phantoms --count 12 --seed 1",
		Args:    cli.ExactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if job.Count < 1 {
				return cli.Usagef(cmd, "--count %d: at least 1", job.Count)
			}
			if job.Size, err = settings.ParseSize(size); err != nil {
				return cli.Usagef(cmd, "--size: %v", err)
			}
			if job.Count > 100_000 {
				return cli.Usagef(cmd, "--count %d: at most 100000", job.Count)
			}
			if n := job.Bytes(); n <= 0 {
				return cli.Usagef(cmd, "--size %s: larger than an image can be", size)
			}
			if err := cli.CheckPaths(cmd, func(p *outfile.Plan) { p.Size(job.Folder, job.Bytes()/1000, job.Bytes()) }); err != nil {
				return err
			}
			if err := job.Write(cmd.Context()); err != nil {
				if cmd.Context().Err() != nil {
					return cli.Stopped(errors.New("interrupted; the pairs written so far are complete, and the same command makes all of them, the same ones"))
				}
				return err
			}
			slog.Info("phantoms written", "pairs", job.Count, "folder", job.Folder)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&job.Folder, "out", "", "folder to write to (required)")
	f.IntVar(&job.Count, "count", 1, "number of pairs")
	f.Uint64Var(&job.Seed, "seed", 1, "seed of everything random; the same seed and options give the same files")
	f.StringVar(&size, "size", size, "voxels of 1 mm along x, y, z")
	cli.Fills(cmd, "out", dataset.PhantomTable)
	cli.Must(cmd.MarkFlagRequired("out"))
	return cmd
}
