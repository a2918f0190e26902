// Package demo is the command demo.
package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/runs"
	"voxgrad/internal/infile"
	"voxgrad/internal/lockfile"
	"voxgrad/internal/outfile"
	"voxgrad/internal/settings"
	"voxgrad/report"
	"voxgrad/train/dataset"
	"voxgrad/train/pipeline"
	"voxgrad/volume"
)

// demo is the whole pipeline on made-up brains, at a size that takes minutes.
type demo struct {
	out                 string
	seed                uint64
	quick               bool
	resume, overwrite   bool
	trainPairs, heldOut int
	device              string
	detector            string // weights, or "" to train
}

// Folders of the demo beside the pipeline's.
const (
	demoData   = "data"
	demoTrain  = "data/train"
	demoHeld   = "data/held_out"
	demoConfig = "demo.toml"
)

// demoMark begins demo.toml: a folder with it is a demo's.
const demoMark = "# Written by 'voxgrad demo'."

// New returns the command.
func New() *cobra.Command {
	var d demo
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The main job on made-up brains: every stage, the ensemble, its scores",
		Long: `Makes phantom scans and runs the pipeline on them with small networks: a segmenter, an
inpainter and a generator on single scans; two detectors on synthetic pairs, then on
real ones; their ensemble on held-out pairs, scored beside a difference threshold that
was tuned on the training pairs. Everything ends up in one folder; open its index.html.

With --detector nothing is trained: heads are drawn from the atlas that the program has, with skull,
thick slices and new lesions at the second visit, and that detector (builtin:detector, or a
weights file) finds them from the raw files, as 'voxgrad predict' does.

DIR/demo.toml is the configuration that it writes and runs; 'voxgrad pipeline --config
DIR/demo.toml --out DIR' is the same run by hand.`,
		Example: "  voxgrad demo --detector builtin:detector\n  voxgrad demo --out demo\n  voxgrad demo --quick",
		Args:    cli.ExactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if d.detector != "" {
				return d.showHeads(cmd)
			}
			d.defaults()
			if d.trainPairs < demoFolds || d.heldOut < 1 {
				return cli.Usagef(cmd, "--pairs must be at least %d (there are so many folds) and --held-out at least 1", demoFolds)
			}
			if most := 100000; d.trainPairs > most || d.heldOut > most {
				return cli.Usagef(cmd, "--pairs %d, --held-out %d: at most %d each", d.trainPairs, d.heldOut, most)
			}
			return d.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.out, "out", "demo", "folder to write to")
	f.Uint64Var(&d.seed, "seed", 1, "seed of everything random; the same seed gives the same scores")
	f.BoolVar(&d.quick, "quick", false, "smaller scans, networks and stages: shows that everything works, not how well")
	f.BoolVar(&d.resume, "resume", false, "go on with the demo in the folder, which was cut off")
	f.BoolVar(&d.overwrite, "overwrite", false, "replace an earlier demo in the folder")
	cmd.MarkFlagsMutuallyExclusive("resume", "overwrite")
	f.IntVar(&d.trainPairs, "pairs", 0, "pairs to train on; 0 means 20, with --quick 8")
	f.IntVar(&d.heldOut, "held-out", 0, "pairs to score; 0 means 8, with --quick 4")
	f.StringVar(&d.detector, "detector", "", "show a detector on made-up heads instead of training one: a weights file, or builtin:NAME; --held-out is the number of heads, 0 means 1")
	cli.Reads(cmd, "detector")
	cli.Fills(cmd, "out", append(d.places(), demoConfig)...)
	cli.EndItself(cmd)
	cli.DeviceFlag(cmd, &d.device)
	return cmd
}

// showHeads checks the command line for heads.
func (d *demo) showHeads(cmd *cobra.Command) error {
	for _, name := range []string{"quick", "resume", "pairs"} {
		if cmd.Flags().Changed(name) {
			return cli.Usagef(cmd, "--%s is for the training demo, without --detector", name)
		}
	}
	if d.heldOut == 0 {
		d.heldOut = 1
	}
	if d.heldOut < 1 || d.heldOut > 1000 {
		return cli.Usagef(cmd, "--held-out %d: from 1 to 1000 heads", d.heldOut)
	}
	if d.out == "" {
		return cli.Usagef(cmd, "--out is empty: name the demo's folder")
	}
	return d.heads(cmd)
}

// defaults fills in what was not said.
func (d *demo) defaults() {
	pairs, held := 20, 8
	if d.quick {
		pairs, held = 8, 4
	}
	if d.trainPairs == 0 {
		d.trainPairs = pairs
	}
	if d.heldOut == 0 {
		d.heldOut = held
	}
}

func (d *demo) path(parts ...string) string {
	return filepath.Join(append([]string{d.out}, parts...)...)
}

// run makes the data and the configuration and runs the pipeline.
func (d *demo) run(cmd *cobra.Command) error {
	start := time.Now()
	if d.out == "" {
		return cli.Usagef(cmd, "--out is empty: name the demo's folder")
	}
	if err := settings.CheckSeed(d.seed); err != nil {
		return cli.Usagef(cmd, "--seed: %v", err)
	}
	lock, err := lockfile.Folder(d.out)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := d.prepare(); err != nil {
		return err
	}
	job, closeDevice, err := d.job(cmd)
	if err != nil {
		return err
	}
	defer closeDevice()
	job.Lock = lock
	if err := d.makeData(cmd.Context()); err != nil {
		if cmd.Context().Err() != nil {
			return errDemoInterrupted
		}
		return err
	}
	p, err := pipeline.Open(job)
	if err != nil {
		return err
	}
	if err := p.Run(cmd.Context()); err != nil {
		if e := runs.Interrupted(err); e != err {
			return errDemoInterrupted
		}
		return err
	}
	r, err := p.Result()
	if err != nil {
		return err
	}
	t := r.Table()
	t.Title = "mean over the held-out pairs"
	if err := t.WriteText(cli.Out); err != nil {
		return err
	}
	fmt.Fprintf(cli.Out, "\n%s in all. Open %s\n", report.Duration(time.Since(start)), d.path(pipeline.PageFile))
	return nil
}

// errDemoInterrupted is the end of a demo by a signal.
var errDemoInterrupted = cli.Stopped(errors.New("interrupted; everything is saved, and the same command with --resume goes on from here"))

// prepare makes room for the demo: an earlier one is gone on with, or removed with
// --overwrite. What no demo has written is never touched.
func (d *demo) prepare() error {
	text, err := infile.Read(d.path(demoConfig), 1<<20)
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("cannot read an earlier demo's configuration: %w", err)
	case err != nil || !strings.HasPrefix(string(text), demoMark):
		for _, name := range append([]string{demoConfig}, d.places()...) {
			if _, err := os.Lstat(d.path(name)); err == nil {
				return fmt.Errorf("%s is there already, and no demo has made it: choose another folder with --out", d.path(name))
			}
		}
	case d.resume && string(text) != d.config():
		return fmt.Errorf("%s is of a demo with other options: resume it with the same ones, or replace it with --overwrite", d.path(demoConfig))
	case d.overwrite:
		return d.clear()
	case !d.resume:
		return fmt.Errorf("%s holds a demo already: go on with it by --resume, or replace it with --overwrite", d.out)
	}
	return nil
}

// places lists what a demo makes beside its configuration.
func (d *demo) places() []string { return append([]string{demoData}, pipeline.Places()...) }

// clear removes an earlier demo: the mark that it is one comes last.
func (d *demo) clear() error {
	for _, name := range append(d.places(), demoConfig) {
		if err := os.RemoveAll(d.path(name)); err != nil {
			return fmt.Errorf("cannot clear the demo's folder: %w", err)
		}
	}
	return nil
}

// size of the phantoms in voxels of 1 mm.
func (d *demo) size() [3]int {
	if d.quick {
		return [3]int{64, 72, 64}
	}
	return [3]int{80, 96, 80}
}

// makeData writes the phantoms. The same options give the same files, so that a
// demo that goes on finds its data as they were.
func (d *demo) makeData(ctx context.Context) error {
	begin := time.Now()
	size := d.size()
	job := dataset.Phantoms{Folder: d.path(demoTrain), Prefix: "train", Count: d.trainPairs, Seed: d.seed, Size: size, New: volume.Range{Min: 1, Max: 6}}
	if err := job.Write(ctx); err != nil {
		return err
	}
	slog.Info("phantoms written", "pairs", job.Count, "folder", job.Folder)
	job.Folder, job.Prefix, job.Count, job.Seed = d.path(demoHeld), "held", d.heldOut, d.seed+1<<32
	if err := job.Write(ctx); err != nil {
		return err
	}
	slog.Info("phantoms written", "pairs", job.Count, "folder", job.Folder)
	slog.Info("done: phantom data", "seconds", int(time.Since(begin).Seconds()+0.5))
	return nil
}

// job writes the configuration, reads it back as a user's would be, and opens the device.
func (d *demo) job(cmd *cobra.Command) (pipeline.Job, func(), error) {
	if err := outfile.WriteBytes(d.path(demoConfig), []byte(d.config())); err != nil {
		return pipeline.Job{}, nil, err
	}
	return runs.OpenPipeline(cmd, d.path(demoConfig), d.out, d.device, nil)
}
