package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"voxgrad/device"
	"voxgrad/metrics"
	"voxgrad/models"
	"voxgrad/report"
	"voxgrad/train"
	"voxgrad/train/infer"
	"voxgrad/volume"
)

// demo is one run of the demo: its settings, and what it has found out.
type demo struct {
	out                 string
	seed                uint64
	trainPairs, heldOut int
	size                [3]int
	device              device.Backend

	segmenter, detector *train.Summary
	curves              map[string]*trainWatch
	history             map[string][]train.Record
	cases               []demoCase
	baselineSDs         float64
	took                []stageTime
	page                *report.Page
	compared            *report.Table
}

// demoCase is a held-out pair with its prediction.
type demoCase struct {
	name               string
	time1, time2       *volume.Volume
	truth              *volume.Volume
	brain              *volume.Volume
	found, prob        *volume.Volume
	baseline           *volume.Volume
	network, threshold metrics.Result
}

// stageTime is how long a stage took.
type stageTime struct {
	stage string
	took  time.Duration
}

func newDemo() *cobra.Command {
	d := demo{trainPairs: 20, heldOut: 8, size: [3]int{80, 96, 80}, curves: map[string]*trainWatch{}, history: map[string][]train.Record{}}
	var dev string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "The main job on made-up brains: train, predict, score, show",
		Long: `Makes phantom scans, trains a small segmenter on single scans, trains a small detector
with its encoder on pairs, predicts the new lesions of held-out pairs, and scores them
beside a difference threshold that was tuned on the training pairs. Everything ends
up in one folder; open its index.html.`,
		Example: "  voxgrad demo --out demo",
		Args:    exactArgs(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if d.trainPairs < 5 || d.heldOut < 1 {
				return usagef(cmd, "--pairs must be at least 5 (there are five folds) and --held-out at least 1")
			}
			if d.device, err = openDevice(cmd, dev); err != nil {
				return err
			}
			defer d.device.Close()
			return d.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&d.out, "out", "demo", "folder to write to; an earlier demo in it is replaced")
	f.Uint64Var(&d.seed, "seed", 1, "the same seed gives the same scores")
	f.IntVar(&d.trainPairs, "pairs", d.trainPairs, "pairs to train on")
	f.IntVar(&d.heldOut, "held-out", d.heldOut, "pairs to score")
	deviceFlag(cmd, &dev)
	return cmd
}

func (d *demo) path(parts ...string) string {
	return filepath.Join(append([]string{d.out}, parts...)...)
}

// Folders of the demo.
const (
	demoTrainData = "data/train"
	demoTestData  = "data/held_out"
	demoSegmenter = "segmenter"
	demoDetector  = "detector"
	demoResults   = "predictions"
)

// run does all stages.
func (d *demo) run(ctx context.Context) error {
	if err := d.clear(); err != nil {
		return err
	}
	for _, s := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"phantom data", d.makeData},
		{"segmenter", d.trainSegmenter},
		{"detector", d.trainDetector},
		{"prediction", d.predict},
		{"scores and pictures", d.report},
	} {
		start := time.Now()
		if err := s.do(ctx); err != nil {
			return err
		}
		d.took = append(d.took, stageTime{s.name, time.Since(start)})
		slog.Info("done: "+s.name, "seconds", int(time.Since(start).Seconds()+0.5))
	}
	return d.finish()
}

// clear removes an earlier demo, and nothing else.
func (d *demo) clear() error {
	for _, sub := range []string{"data", demoSegmenter, demoDetector, demoResults} {
		if err := os.RemoveAll(d.path(sub)); err != nil {
			return fmt.Errorf("cannot clear the demo's folder: %w", err)
		}
	}
	return nil
}

func (d *demo) makeData(context.Context) error {
	job := phantomJob{dir: d.path(demoTrainData), prefix: "train", count: d.trainPairs, seed: d.seed, size: d.size, fresh: volume.Range{Min: 1, Max: 6}}
	if err := job.run(); err != nil {
		return err
	}
	job.dir, job.prefix, job.count, job.seed = d.path(demoTestData), "held", d.heldOut, d.seed+1<<32
	return job.run()
}

// demoConfig is the published recipe at a size that takes minutes: a narrow
// network, small patches, a larger learning rate, no dropout.
func (d *demo) demoConfig(task, data string, epochs int) train.Config {
	c := train.Defaults(task)
	c.Seed = d.seed
	c.Data.Root = data
	c.Network.Dropout = 0
	c.Sampler.Patch = [3]int{32, 32, 32}
	c.Sampler.Jitter = 10
	c.Adam.LearningRate = 1e-3
	c.Loss.CrossEntropy = 0.5 // Dice alone may collapse to "no lesion" in so few steps
	c.Run.Batch, c.Run.Steps, c.Run.Epochs, c.Run.ValidPatches = 2, 40, epochs, 24
	if task == models.Segmenter {
		c.Network.Width = 8
	}
	return c
}

func (d *demo) trainSegmenter(ctx context.Context) (err error) {
	c := d.demoConfig(models.Segmenter, d.path(demoTrainData, singleTable), 5)
	d.segmenter, err = d.train(ctx, c, demoSegmenter)
	return err
}

func (d *demo) trainDetector(ctx context.Context) (err error) {
	c := d.demoConfig(models.Detector, d.path(demoTrainData), 7)
	c.Encoder = filepath.Join(train.FoldFolder(d.path(demoSegmenter), 0), train.BestFile)
	d.detector, err = d.train(ctx, c, demoDetector)
	return err
}

// train runs one stage and keeps its curves.
func (d *demo) train(ctx context.Context, c train.Config, folder string) (*train.Summary, error) {
	w := newTrainWatch(c.Task)
	d.curves[c.Task] = w
	s, err := train.Run(ctx, train.Job{Device: d.device, Config: c, Folder: d.path(folder), Events: func(e train.Event) {
		w.event(e)
		if e, ok := e.(train.EpochDone); ok {
			d.history[c.Task] = e.History
		}
	}})
	if err != nil {
		return nil, err
	}
	if s.Reason == train.Interrupted {
		return nil, errInterrupted
	}
	return s, nil
}

// predict finds the new lesions of the held-out pairs.
func (d *demo) predict(ctx context.Context) error {
	net, err := models.Load(d.device, filepath.Join(train.FoldFolder(d.path(demoDetector), 0), train.BestFile), models.Detector)
	if err != nil {
		return err
	}
	defer net.Free()
	if err := os.MkdirAll(d.path(demoResults), 0o777); err != nil {
		return err
	}
	opt := infer.Defaults()
	opt.Patch, opt.Hop = [3]int{48, 48, 48}, [3]int{24, 24, 24}
	if d.baselineSDs, err = d.tuneBaseline(); err != nil {
		return err
	}
	bar := newProgress("predicting", d.heldOut)
	defer bar.shut()
	for n := range d.heldOut {
		c, err := readPair(d.path(demoTestData), fmt.Sprintf("held%03d", n+1))
		if err != nil {
			return err
		}
		r, err := infer.Predict(ctx, []infer.Member{infer.Keep(net)}, []*volume.Volume{c.time1, c.time2}, c.brain, opt)
		if err != nil {
			return err
		}
		c.found, c.prob = r.Mask, r.Prob
		if c.baseline, err = d.baseline(c, d.baselineSDs); err != nil {
			return err
		}
		if err := d.score(c); err != nil {
			return err
		}
		d.cases = append(d.cases, *c)
		bar.set(n+1, "")
	}
	return nil
}

// score measures a case and writes its masks.
func (d *demo) score(c *demoCase) (err error) {
	if c.network, err = metrics.Evaluate(c.truth, c.found, metrics.DefaultOptions()); err != nil {
		return err
	}
	if c.threshold, err = metrics.Evaluate(c.truth, c.baseline, metrics.DefaultOptions()); err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		v    *volume.Volume
		t    volume.DType
	}{
		{"_new.nii.gz", c.found, volume.Uint8},
		{"_probability.nii.gz", c.prob, volume.Float32},
		{"_baseline.nii.gz", c.baseline, volume.Uint8},
	} {
		if err := volume.Write(d.path(demoResults, c.name+f.name), f.v, f.t); err != nil {
			return err
		}
	}
	return nil
}
