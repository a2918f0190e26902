// Package train is the command train.
package train

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"voxgrad/augment"
	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/runs"
	"voxgrad/internal/outfile"
	"voxgrad/internal/settings"
	"voxgrad/internal/text"
	"voxgrad/models"
	"voxgrad/report"
	"voxgrad/synth"
	"voxgrad/train"
)

// New returns the command.
func New() *cobra.Command {
	return cli.Group("train", "Train a network",
		newTrainTask(models.Segmenter, "Train a network that finds all lesions in one scan",
			"  voxgrad train segmenter --data cases.csv --out runs/segmenter --fold 0"),
		newTrainTask(models.Detector, "Train a network that finds new lesions between two scans",
			`  voxgrad train detector --data challenge/ --out runs/detector --encoder runs/segmenter/fold_0/checkpoint_best.safetensors
  # the same on synthetic pairs, made of single scans with all their lesions
  voxgrad train detector --data cases.csv --out runs/synthetic --encoder runs/segmenter/fold_0/checkpoint_best.safetensors \
      --inpainter runs/inpainter/fold_0/checkpoint_best.safetensors --generator runs/generator/fold_0/checkpoint_best.safetensors
  # and fine-tuned on real ones
  voxgrad train detector --data challenge/ --out runs/tuned --start runs/synthetic/fold_0/checkpoint_best.safetensors`),
		newTrainTask(models.Inpainter, "Train a network that fills lesions with healthy tissue",
			"  voxgrad train inpainter --data cases.csv --out runs/inpainter"),
		newTrainTask(models.Generator, "Train a network that generates lesions",
			"  voxgrad train generator --data cases.csv --out runs/generator"),
	)
}

func newTrainTask(task, short, example string) *cobra.Command {
	cfg := train.Defaults(task)
	var out, dev, vram string
	var resume, dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   task + " --data DIR --out RUN",
		Short: short,
		Long: short + `.

The data set is a folder in one of the known layouts, or a CSV table; see docs/formats.md
and 'voxgrad data check'. Settings come from --config, the environment (VOXGRAD_ and the
setting's name in capitals) and flags, each overriding the one before; the resolved ones
are written to RUN/fold_K/config.toml. Single settings of augmentation and synthesis stand
in the file alone, in the tables [augmentation] and [synthesis]; see docs/training.md.
A first SIGINT or SIGTERM saves and stops. One process at a time trains in RUN/fold_K.

The weights files say how the images were prepared, and prediction does the same.`,
		Example: example,
		Args:    cli.ExactArgs(0, ""),
	}
	s := cli.BindSettings(cmd, &cfg, trainFlags(task))
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "run folder (required)")
	f.BoolVar(&resume, "resume", false, "go on from RUN/fold_K/checkpoint_last.safetensors if it is there")
	f.BoolVar(&asJSON, "json", false, "print the summary as JSON")
	f.StringVar(&vram, "vram", "", "memory the device may use, as in 12GB: plan first, and refuse with the numbers if the batch does not fit")
	f.BoolVar(&dryRun, "dry-run", false, "print what training takes of the memory and the largest batch that fits, and do nothing else")
	for _, name := range []string{"data", "encoder", "start", "inpainter", "generator", "prior", "labels", "shapes", "scans"} {
		if cmd.Flags().Lookup(name) != nil { // not every task has all
			cli.Reads(cmd, name)
		}
	}
	cli.Fills(cmd, "out")
	cli.EndItself(cmd)
	cli.DeviceFlag(cmd, &dev)
	cli.GraphFlag(cmd)
	cli.PrecisionFlag(cmd)
	cli.Must(cmd.MarkFlagRequired("out"))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := s.Resolve(); err != nil {
			return err
		}
		if cfg.Task != task {
			return fmt.Errorf("%s: task = %q, but the command is train %s", s.File, cfg.Task, task)
		}
		if cfg.Data.Root == "" && !cfg.Labels.On() {
			return cli.Usagef(cmd, "--data is missing: the folder or table of the training cases, or --labels, label maps to draw them from")
		}
		if err := cli.CheckPaths(cmd, func(p *outfile.Plan) {
			fold := train.FoldFolder(out, cfg.Data.Fold)
			if resume { // the run's own settings
				p.Own(filepath.Join(fold, "config.toml"))
			}
			p.Fill("--out", out, filepath.Base(fold))
		}); err != nil {
			return err
		}
		job := train.Job{Config: cfg, Folder: out, Resume: resume, Version: cli.Version(), Commit: cli.Commit(), HostLimit: cli.HostMemory(),
			Events: runs.NewTraining(task).Event}
		if err := limitMemory(cmd, &job, dev, vram); err != nil {
			return err
		}
		if dryRun || vram != "" {
			plan, err := train.PlanMemory(cfg, job.Limit, job.OpenDry)
			if err != nil {
				return err
			}
			if dryRun {
				fmt.Fprintln(cli.Out, plan)
				return plan.Check()
			}
			fmt.Fprintln(os.Stderr, plan)
		}
		limit := int64(0)
		if vram != "" {
			limit = job.Limit
		}
		backend, err := cli.OpenLimited(cmd, dev, limit)
		if err != nil {
			return err
		}
		defer backend.Close()
		job.Device = backend
		sum, err := train.Run(cmd.Context(), job)
		if err != nil {
			return err
		}
		if sum.Reason == train.Interrupted && sum.Steps == 0 {
			return cli.Stopped(errors.New("interrupted before the first step; nothing was written"))
		}
		if asJSON {
			err = cli.PrintJSON(sum)
		} else {
			err = trainTable(sum).WriteText(cli.Out)
		}
		if err == nil && sum.Reason == train.Interrupted {
			err = cli.ErrInterrupted
		}
		return err
	}
	return cmd
}

// trainFlags names the flags of a task. What augmentation and synthesis draw has
// too many settings for flags and stands in the file alone; so does what other tasks
// need.
func trainFlags(task string) map[string]string {
	names := map[string]string{"task": "", "data.root": "data", "network.up": "up", "labels.root": "labels", "labels.find": "", "labels.shape_min_voxels": "", "labels.shape_max_voxels": "", "labels.shapes": "shapes", "labels.scan_share": ""}
	for _, k := range settings.Keys(augment.Preset{}) {
		names["augmentation."+k.Path] = ""
	}
	for _, k := range settings.Keys(synth.HeadOptions{}) {
		names["labels."+k.Path] = ""
	}
	for _, k := range settings.Keys(synth.LesionOptions{}) {
		names["labels."+k.Path] = ""
	}
	for _, k := range settings.Keys(synth.Options{}) {
		names["synthesis."+k.Path] = ""
	}
	if task != models.Inpainter {
		names["sampler.lesion_free"] = ""
	}
	if restoring := task == models.Inpainter || task == models.Generator; restoring {
		names["labels.root"], names["labels.shapes"], names["labels.scans"] = "", "", ""
	}
	if task != models.Detector {
		for _, key := range []string{"encoder", "freeze_encoder", "synthesis.inpainter", "synthesis.generator", "synthesis.prior"} {
			names[key] = ""
		}
	}
	if task == models.Inpainter || task == models.Generator {
		for _, key := range []string{"loss.eps", "loss.lesion_only", "loss.cross_entropy", "sampler.lesion_prob", "run.full_every", "run.on_collapse"} {
			names[key] = ""
		}
	} else {
		names["loss.filled_only"] = ""
	}
	return names
}

// limitMemory finds out what the device may take: what the user says, else what is known of it.
func limitMemory(cmd *cobra.Command, job *train.Job, dev, vram string) (err error) {
	if cmd.Flags().Changed("vram") && vram == "" {
		return cli.Usagef(cmd, "--vram is empty: name an amount of memory, as in 12GB")
	}
	if job.OpenDry, err = cli.DryDevice(cmd, dev); err != nil {
		return err
	}
	if job.Limit, err = cli.DeviceMemory(cmd, dev); err != nil {
		return err
	}
	if vram != "" {
		if job.Limit, err = text.ParseBytes(vram); err != nil {
			return cli.Usagef(cmd, "--vram: %v", err)
		}
	}
	if job.Limit == 0 && cmd.Flags().Changed("dry-run") {
		return cli.Usagef(cmd, "--dry-run on this device needs --vram: the memory that training may take")
	}
	return nil
}

// trainTable is how a run went, for a person.
func trainTable(s *train.Summary) *report.Table {
	t := &report.Table{Title: s.Task + " in " + s.Folder, Columns: []report.Column{{Name: ""}, {Name: ""}}}
	t.Add("ended by", string(s.Reason))
	t.Add("cases", fmt.Sprintf("%d for training, %d for validation", len(s.Train), len(s.Valid)))
	t.Add("epochs", s.Epochs)
	t.Add("steps", s.Steps)
	if s.Best != nil {
		t.Add("best epoch", fmt.Sprintf("%d: validation loss %.4g, %s", s.Best.Epoch, float64(s.Best.ValidLoss), runs.Quality(*s.Best)))
	}
	if x := float64(s.StepSeconds); !math.IsNaN(x) { // a finished run that was resumed has no step to time
		t.Add("median step", fmt.Sprintf("%.3f s, %.2f patches a second", x, float64(s.PatchesASecond)))
	}
	if s.Best != nil {
		t.Add("best weights", filepath.Join(s.Folder, train.BestFile))
	}
	return t
}
