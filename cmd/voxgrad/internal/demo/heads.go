package demo

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/device/cpu"
	"voxgrad/internal/outfile"
	"voxgrad/internal/rng"
	"voxgrad/internal/settings"
	"voxgrad/metrics"
	"voxgrad/models"
	"voxgrad/prepare/atlas"
	"voxgrad/report"
	"voxgrad/synth"
	"voxgrad/train"
	"voxgrad/volume"
	"voxgrad/weights"
)

// The files of a made-up head, as scanners write them, and what was found.
const (
	headTime1   = "time1.nii.gz"
	headTime2   = "time2.nii.gz"
	headTruth   = "true_new_lesions.nii.gz"
	headFound   = "new_lesions.nii.gz"
	headProb    = "probability.nii.gz"
	headTable   = "new_lesions.csv"
	headPicture = "new_lesions.png"
)

// thickness is that of the axial slices of the two scans, mm.
var thickness = [2]int{3, 4}

// heads makes raw pairs of made-up heads and has a detector find what is new in them.
func (d *demo) heads(cmd *cobra.Command) error {
	start := time.Now()
	if err := settings.CheckSeed(d.seed); err != nil {
		return cli.Usagef(cmd, "--seed: %v", err)
	}
	if err := d.checkDetector(); err != nil { // before heads are drawn
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("cannot find the program itself: %w", err)
	}
	t := &report.Table{Title: "new lesions of the made-up heads", Columns: []report.Column{{Name: "head"}, {Name: "lesions"}, {Name: "found"}, {Name: "false"}, {Name: "Dice", Unit: report.Score}, {Name: "lesion F1", Unit: report.Score}}}
	last := ""
	for n := range d.heldOut {
		dir := d.path(fmt.Sprintf("head%02d", n+1))
		tidy, err := outfile.Folder(dir)
		if err != nil {
			return err
		}
		defer tidy()
		slog.Info("drawing two scans of a made-up head", "folder", dir)
		if err := d.head(dir, n); err != nil {
			return err
		}
		if err := d.find(cmd.Context(), program, dir); err != nil {
			return err
		}
		truth, err := volume.ReadMask(filepath.Join(dir, headTruth))
		if err != nil {
			return err
		}
		found, err := volume.ReadMask(filepath.Join(dir, headFound))
		if err != nil {
			return err
		}
		o := metrics.DefaultOptions()
		o.Groups = metrics.VoxelGroup | metrics.LesionGroup
		r, err := metrics.Evaluate(truth, found, o)
		if err != nil {
			return err
		}
		hits, wrong := 0, 0
		for _, l := range r.TruthLesions {
			if l.Found {
				hits++
			}
		}
		for _, l := range r.PredLesions {
			if !l.Found {
				wrong++
			}
		}
		t.Add(filepath.Base(dir), len(r.TruthLesions), hits, wrong, r.Voxel.Dice, r.Lesion.F1)
		last = dir
	}
	if err := t.WriteText(cli.Out); err != nil {
		return err
	}
	fmt.Fprintf(cli.Out, "\n%s in all. Look at %s, or at the scans themselves:\n  voxgrad view --time1 %s --time2 %s --mask %s --truth %s\n", report.Duration(time.Since(start)),
		filepath.Join(last, headPicture), filepath.Join(last, headTime1), filepath.Join(last, headTime2), filepath.Join(last, headFound), filepath.Join(last, headTruth))
	return nil
}

// checkDetector opens the detector once.
func (d *demo) checkDetector() error {
	dev := cpu.New()
	defer dev.Close()
	nets, _, err := weights.Load(dev, d.detector, models.Detector)
	for _, n := range nets {
		if n != nil {
			n.Free()
		}
	}
	return err
}

// find runs the program on the files, as a user would.
func (d *demo) find(ctx context.Context, program, dir string) error {
	file := func(name string) string { return filepath.Join(dir, name) }
	c := exec.CommandContext(ctx, program, "predict", "--model", d.detector, "--time1", file(headTime1), "--time2", file(headTime2), "--out", file(headFound),
		"--prob", file(headProb), "--table", file(headTable), "--picture", file(headPicture))
	if d.device != "" {
		c.Args = append(c.Args, "--device", d.device)
	}
	slog.Info("running " + c.String())
	c.Stdout, c.Stderr = cli.Out, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", c.String(), err)
	}
	return nil
}

// head draws a head from the atlas at two visits, with new lesions at the second, and writes what a scanner would:
// skull and all, thick slices, the head lying otherwise each time, whatever the headers say.
func (d *demo) head(dir string, n int) error {
	s := rng.New(d.seed, "head", n)
	grid, err := volume.Iso(atlas.Brain().Grid, 1)
	if err != nil {
		return err
	}
	a, err := synth.DrawAnatomy(s, "made up", grid.Size, synth.AtlasTissues(grid), 0.12, 4)
	if err != nil {
		return err
	}
	c := train.Defaults(models.Detector).Labels
	c.TurnDegrees, c.ShiftMM, c.MoveMM, c.MoveTurn, c.MoveBend, c.NewMax, c.Flow, c.AirMax = 4, 5, 0, 0, 0, 5, 0, 0
	c.Grown, c.Shrunk, c.Faint = 0, 0, 0.2 // what grew is new to some readers and not to others; nor are the faintest drawn: a demonstration has clear answers
	lib := synth.NewLibrary(synth.Options{ShapeMin: 60, ShapeMax: 1500})
	if err := lib.AddBlobs(s, 60); err != nil {
		return err
	}
	size := [3]int{176, 216, 176}
	var v *synth.Visits
	for { // at least two new lesions
		if v, err = c.DrawVisits(s, c.LesionOptions, a, lib, size, 2); err != nil {
			return err
		}
		fresh := 0
		for _, p := range v.Planted {
			if p.Kind == synth.Appears {
				fresh++
			}
		}
		if fresh >= 2 {
			break
		}
	}
	world := volume.Grid{Size: size, Affine: volume.Identity}
	for k, n := range size {
		world.Affine[k][3] = -float64(n-1) / 2
	}
	var files outfile.Set
	defer files.Discard()
	for t, name := range []string{headTime1, headTime2} {
		head := volume.New(world)
		volume.FromNetwork(head.Data, v.Images[t], size, [3]int{}, size)
		scan, lies := scanned(s, head, thickness[t])
		if err := volume.WriteIn(&files, filepath.Join(dir, name), scan, volume.Int16); err != nil {
			return err
		}
		if t > 0 {
			continue
		}
		truth := volume.NewMask(world)
		volume.FromNetwork(truth.Data, v.New, size, [3]int{}, size)
		if err := volume.WriteMaskIn(&files, filepath.Join(dir, headTruth), truth.ResampleThrough(scan.Grid, lies)); err != nil {
			return err
		}
	}
	return files.Commit()
}

// scanned is what a scanner makes of a head: axial slices of so many mm, each the mean of those of 1 mm in it, a bias field, noise, whole
// numbers; and how the head is placed in it, from points of the scan to those of the head.
func scanned(s *rng.Stream, head *volume.Volume, slices int) (*volume.Volume, volume.Transform) {
	lies := volume.Identity
	angle := [3]float64{s.Uniform(-6, 6), s.Uniform(-4, 4), s.Uniform(-6, 6)}
	for axis, degrees := range angle {
		r := volume.Identity
		p, q := (axis+1)%3, (axis+2)%3
		sin, cos := math.Sincos(degrees * math.Pi / 180)
		r[p][p], r[p][q], r[q][p], r[q][q] = cos, -sin, sin, cos
		lies = lies.Mul(r)
	}
	for k := range 3 {
		lies[k][3] = s.Uniform(-6, 6)
	}
	fine := volume.ResampleThrough(head, head.Grid, lies, volume.Linear, 0)
	g := volume.Grid{Size: head.Size, Affine: head.Affine}
	g.Size[2] /= slices
	g.Affine[2][2] = float64(slices)
	g.Affine[2][3] += float64(slices-1) / 2
	out := volume.New(g)
	var slope [3]float64
	for k := range slope {
		slope[k] = s.Uniform(-0.15, 0.15)
	}
	for z := range g.Size[2] {
		for y := range g.Size[1] {
			for x := range g.Size[0] {
				sum := 0.0
				for k := range slices {
					sum += float64(fine.Data[fine.Index(x, y, z*slices+k)])
				}
				field := 1.0
				for k, at := range [3]int{x, y, z} {
					field += slope[k] * (2*float64(at)/float64(g.Size[k]-1) - 1)
				}
				value := math.Hypot(sum/float64(slices)*field+0.02*s.Normal(), 0.02*s.Normal()) // Rician
				out.Data[g.Index(x, y, z)] = float32(math.Round(300 * value))
			}
		}
	}
	return out, lies
}
