// Package augment is the command augment.
package augment

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"voxgrad/augment"
	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/outfile"
	"voxgrad/internal/settings"
	"voxgrad/volume"
)

// augmentJob is one call of augment.
type augmentJob struct {
	in, out   string
	transform string
	params    string
	preset    string
	seed      uint64
	count     int
	each      bool
	upright   bool // no orientations
	normalize string
	brain     string
	lesions   string
	record    string
	montage   string
	device    string
	asJSON    bool

	rules augment.Preset
}

const augmentLong = `Degrades a scan as scanners do, and as training does to its patches.

With --transform, one transform with the parameters of --params, a JSON object:

  blur                sigma_vox (one number or three), or sigma_mm and spacing_mm
  edge                sigma_vox, amount
  axial_mean          size, axis, origin
  anisotropy_clamp    axis, factor, up (bspline3 or linear)
  anisotropy_torchio  the same; planes beyond the image are 0, as in TorchIO
  anisotropy_zoom     axis, factor
  slices              axis, thickness_vox, step_vox, start_vox, up (bspline3 or linear)
  noise               sigma, mean, seed
  bias_field          order, coefficients
  motion_safe         degrees_lps, translation_mm_lps, times, affine_ras, segment_axis
  motion              the same, by TorchIO's rule
  spike_fixedmax      positions, intensity
  spike               the same; the maximum is looked for again after each spike
  ghosting            num_ghosts, axis, intensity, restore
  flip                axes
  rot90               k, axes
  orient              perm, flip

With --preset, random variants: OUT_01.nii.gz, OUT_02.nii.gz, … and OUT.json, which says
what was done to them. --each makes one variant with each of the preset's transforms
instead of mixtures.

Axes 0, 1, 2 are x (to the right), y (to the front) and z (up), whatever the order of the
file. Results are float32 with the header of the scan. Mirrored and rotated
results keep its affine too: the content moves, not the frame, and left becomes
right. Rotations may exchange the sizes of axes.

Noise is counted in units of the normalised scan, in which the brain's peak is 1
(--normalize kde, the default with --preset). With --transform the default is none: the
numbers are those of the file. All other transforms are the same either way.`

// maxPanels bounds what a montage keeps in memory.
const maxPanels = 60

// New returns the command.
func New() *cobra.Command {
	var j augmentJob
	cmd := &cobra.Command{
		Use:   "augment --in X --out Y (--transform NAME --params JSON | --preset NAME)",
		Short: "Degrade a scan with the transforms used in training",
		Long:  augmentLong,
		Example: `  voxgrad augment --in flair.nii.gz --out ghosts.nii.gz --transform ghosting --params '{"num_ghosts": 6, "axis": 1, "intensity": 0.8}'
  voxgrad augment --in flair.nii.gz --out variant.nii.gz --preset default --seed 7 --count 5 --montage variants.png`,
		Args: cli.ExactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := j.check(cmd); err != nil {
				return err
			}
			return j.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&j.in, "in", "", "scan, NIfTI (required)")
	f.StringVar(&j.out, "out", "", "scan to write, .nii or .nii.gz; with --preset its name is numbered (required)")
	f.StringVar(&j.transform, "transform", "", "name of one transform")
	f.StringVar(&j.params, "params", "{}", "parameters of --transform, a JSON object")
	f.StringVar(&j.preset, "preset", "", "draw from a preset: "+strings.Join(augment.Names(), ", "))
	f.Uint64Var(&j.seed, "seed", 1, "seed of the random variants; the same seed gives the same files")
	f.IntVar(&j.count, "count", 1, "number of random variants")
	f.BoolVar(&j.each, "each", false, "one variant for each transform of the preset")
	f.BoolVar(&j.upright, "keep-orientation", false, "no mirrored or rotated variants, so that masks still fit")
	f.StringVar(&j.normalize, "normalize", "", "unit of noise: kde, median or none (default kde with --preset, else none)")
	f.StringVar(&j.brain, "brainmask", "", "brain mask on the scan's grid, for --normalize and --montage (default: where a skull-stripped scan is not zero)")
	f.StringVar(&j.lesions, "lesions", "", "lesion mask on the scan's grid: the montage shows the slice with most of it")
	f.StringVar(&j.record, "record", "", "JSON record of what was done to write (default with --preset: beside the variants)")
	f.StringVar(&j.montage, "montage", "", "picture of the scan and its variants to write, PNG")
	f.BoolVar(&j.asJSON, "json", false, "print the record")
	cli.Reads(cmd, "in", "brainmask", "lesions")
	cli.WritesOwn(cmd, "out")
	cli.Writes(cmd, "record", cli.JSON...)
	cli.Writes(cmd, "montage", cli.PNG...)
	cli.DeviceFlag(cmd, &j.device)
	cli.PrintConfig(cmd, func() ([]byte, error) { return presetConfig(j.preset) })
	cli.Must(cmd.MarkFlagRequired("in"))
	cli.Must(cmd.MarkFlagRequired("out"))
	return cmd
}

// check finds what is wrong with the command line before anything is read.
func (j *augmentJob) check(cmd *cobra.Command) error {
	changed := cmd.Flags().Changed
	if (j.transform == "") == (j.preset == "") {
		return cli.Usagef(cmd, "give either --transform or --preset")
	}
	if err := outfile.Ending("--out", j.out, cli.Images...); err != nil {
		return cli.Usage(cmd, err)
	}
	switch volume.Method(j.normalize) {
	case volume.KDE, volume.Median, volume.NoScale:
	case "":
		j.normalize = string(volume.NoScale)
		if j.preset != "" {
			j.normalize = string(volume.KDE)
		}
	default:
		return cli.Usagef(cmd, "--normalize %q: want kde, median or none", j.normalize)
	}
	if j.transform != "" {
		for _, name := range []string{"seed", "count", "each", "keep-orientation"} {
			if changed(name) {
				return cli.Usagef(cmd, "--%s goes with --preset", name)
			}
		}
		if _, err := augment.Parse(j.transform, []byte(j.params)); err != nil {
			return cli.Usagef(cmd, "%v", err)
		}
		return nil
	}
	var err error
	if j.rules, err = augment.Named(j.preset); err != nil {
		return cli.Usagef(cmd, "--preset: %v", err)
	}
	if j.upright {
		j.rules.Orientation = augment.NoOrientation
	}
	switch {
	case changed("params"):
		return cli.Usagef(cmd, "--params goes with --transform")
	case j.each && changed("count"):
		return cli.Usagef(cmd, "--each makes one variant for each transform: leave out --count")
	case j.each && len(j.rules.Each())+len(j.turns()) == 0:
		return cli.Usagef(cmd, "--each: there is no transform in the preset %s", j.preset)
	case j.count < 1 || j.count > 10000:
		return cli.Usagef(cmd, "--count %d: from 1 to 10000", j.count)
	case j.montage != "" && j.count > maxPanels:
		return cli.Usagef(cmd, "--count %d with --montage: a picture shows at most %d variants", j.count, maxPanels)
	}
	if j.record == "" {
		stem, _ := splitNIfTI(j.out)
		j.record = stem + ".json"
	}
	return nil
}

// splitNIfTI is the name without .nii or .nii.gz, and that ending.
func splitNIfTI(path string) (stem, ending string) {
	for _, ending := range []string{".nii.gz", ".nii"} {
		if s, ok := strings.CutSuffix(path, ending); ok {
			return s, ending
		}
	}
	return path, ""
}

// numbered is the file of variant n of count, from 1.
func numbered(out string, n, count int) string {
	stem, ending := splitNIfTI(out)
	return fmt.Sprintf("%s_%0*d%s", stem, max(2, len(fmt.Sprint(count))), n, ending)
}

// unit is the intensity of the scan that counts as 1.
func (j *augmentJob) unit(v *volume.Volume, brain *volume.Mask) (float64, error) {
	method := volume.Method(j.normalize)
	if method == volume.NoScale {
		return 1, nil
	}
	if brain == nil {
		var err error
		if brain, err = volume.BrainMask(v); err != nil {
			return 0, fmt.Errorf("%w; give --brainmask, or --normalize none", err)
		}
	}
	unit, err := volume.Scale(v, brain, method)
	if err != nil {
		return 0, fmt.Errorf("%w; or use --normalize none", err)
	}
	return unit, nil
}

// presetConfig is a preset as part of a configuration of training.
func presetConfig(name string) ([]byte, error) {
	if name == "" {
		name = "default"
	}
	p, err := augment.Named(name)
	if err != nil {
		return nil, err
	}
	return settings.Encode(struct {
		Augment      string         `toml:"augment" comment:"the preset that the table changes"`
		Augmentation augment.Preset `toml:"augmentation"`
	}{name, p})
}
