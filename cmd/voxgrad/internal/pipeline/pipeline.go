// Package pipeline is the commands pipeline and ablate.
package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/runs"
	"voxgrad/internal/outfile"
	"voxgrad/internal/text"
	"voxgrad/report"
	"voxgrad/train/pipeline"
)

// pipelineFlags are the flags that pipeline and ablate share.
type pipelineFlags struct {
	config, out, device string
	seed                uint64
	only                string
	fold                int
	dryRun, asJSON      bool
	overwrite           bool
}

func (f *pipelineFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "TOML file of the whole pipeline (required; see docs/pipeline.md)")
	flags.StringVar(&f.out, "out", "", "folder for everything (required)")
	flags.Uint64Var(&f.seed, "seed", 1, "overrides the file's seed")
	flags.StringVar(&f.only, "only", "", "do this step alone, for example detector; what it needs must be done")
	flags.IntVar(&f.fold, "fold", -1, "with --only: the member, from 0; without it all members")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the plan with expected time and memory, and do nothing; with --only of these steps alone")
	flags.BoolVar(&f.overwrite, "overwrite", false, "clear results in the folder that other settings, data or weights have made; without it they are refused")
	flags.BoolVar(&f.asJSON, "json", false, "print the result, or the plan, as JSON")
	cli.DeviceFlag(cmd, &f.device)
	cli.GraphFlag(cmd)
	cli.PrecisionFlag(cmd)
	cli.Reads(cmd, "config")
	// The configuration may be the one that an earlier call wrote: pipeline.Open knows its own.
	cli.Fills(cmd, "out", slices.DeleteFunc(pipeline.Places(), func(name string) bool { return name == pipeline.ConfigFile })...)
	cli.EndItself(cmd)
	cli.PrintConfig(cmd, func() ([]byte, error) {
		c, err := runs.ReadPipeline(f.config, f.chosenSeed(cmd))
		if err != nil {
			return nil, err
		}
		return c.TOML()
	})
	cli.Must(cmd.MarkFlagRequired("config"))
	cli.Must(cmd.MarkFlagRequired("out"))
}

// job reads the configuration and opens the device; close gives it back.
func (f *pipelineFlags) job(cmd *cobra.Command) (job pipeline.Job, closeDevice func(), err error) {
	switch {
	case cmd.Flags().Changed("fold") && f.only == "":
		return job, nil, cli.Usagef(cmd, "--fold goes with --only")
	case cmd.Flags().Changed("fold") && f.fold < 0:
		return job, nil, cli.Usagef(cmd, "--fold %d: the member, from 0", f.fold)
	case f.only != "" && f.asJSON && !f.dryRun:
		return job, nil, cli.Usagef(cmd, "--json prints the result of all steps, or with --dry-run the plan: a step alone has none")
	}
	job, closeDevice, err = runs.OpenPipeline(cmd, f.config, f.out, f.device, f.chosenSeed(cmd))
	if err != nil {
		return job, nil, err
	}
	job.Overwrite = f.overwrite
	if err := cli.CheckPaths(cmd, func(p *outfile.Plan) {
		d := job.Config.Data
		p.Read("data.single.root", d.Single.Root)
		p.Read("data.pairs.root", d.Pairs.Root)
		p.Read("data.test.root", d.Test.Root)
	}); err != nil {
		closeDevice()
		return job, nil, err
	}
	return job, closeDevice, nil
}

// chosenSeed is the seed given on the command line, or nil.
func (f *pipelineFlags) chosenSeed(cmd *cobra.Command) *uint64 {
	if cmd.Flags().Changed("seed") {
		return &f.seed
	}
	return nil
}

// New returns the command.
func New() *cobra.Command {
	var f pipelineFlags
	cmd := &cobra.Command{
		Use:   "pipeline --config FILE --out DIR",
		Short: "The whole method: every stage, the ensemble, its scores",
		Long: `Trains the segmenter, the inpainter and the generator on single scans, the detectors of
the ensemble on synthetic pairs and then on real ones, applies the ensemble to the test
pairs, scores it beside a difference threshold, and writes a report, OUT/index.html.

Run it again after a break and it goes on where it stopped, to the same bits. A step whose
data, settings and weights have not changed is skipped. With --only and --fold one step
runs alone, so that a cluster runs members side by side (docs/cluster.md). Other work is kept
out of the folder meanwhile.`,
		Example: `  voxgrad pipeline --config ms.toml --out runs/ms --dry-run
  voxgrad pipeline --config ms.toml --out runs/ms --only detector --fold 3
  voxgrad pipeline --config ms.toml --out runs/ms`,
		Args: cli.ExactArgs(0, ""),
	}
	f.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		job, closeDevice, err := f.job(cmd)
		if err != nil {
			return err
		}
		defer closeDevice()
		p, err := pipeline.Open(job)
		if err != nil {
			return fmt.Errorf("%s: %w", f.config, err)
		}
		switch {
		case f.dryRun:
			return f.plan(cmd.Context(), p)
		case f.only != "":
			return runs.Interrupted(p.Only(cmd.Context(), f.only, f.fold))
		}
		if err := p.Run(cmd.Context()); err != nil {
			return runs.Interrupted(err)
		}
		return f.result(p)
	}
	return cmd
}

// result prints the scores.
func (f *pipelineFlags) result(p *pipeline.Pipeline) error {
	r, err := p.Result()
	if err != nil {
		return err
	}
	if f.asJSON {
		return cli.PrintJSON(r)
	}
	if err := r.Table().WriteText(cli.Out); err != nil {
		return err
	}
	slog.Info("report", "page", filepath.Join(f.out, pipeline.PageFile))
	return nil
}

// plan prints what would be done, for one pipeline or for those of several seeds.
func (f *pipelineFlags) plan(ctx context.Context, pipelines ...*pipeline.Pipeline) error {
	t := &report.Table{Title: "plan", Columns: []report.Column{{Name: "step"}, {Name: "state"}, {Name: "time at most"}, {Name: "from"}, {Name: "memory"}}}
	type row struct {
		Step    string   `json:"step"`
		Done    bool     `json:"done"`
		Why     string   `json:"why,omitempty"`
		Seconds *float64 `json:"seconds_at_most"` // null: unknown
		From    string   `json:"seconds_from,omitempty"`
		Memory  int64    `json:"memory_bytes"`
	}
	rows := []row{}
	total, unknown := 0.0, 0
	for n, p := range pipelines {
		var plan []pipeline.Planned
		var err error
		if f.only == "" {
			plan, err = p.Plan(ctx, true)
		} else {
			plan, err = p.PlanOnly(ctx, f.only, f.fold, true)
		}
		if err != nil {
			return runs.Interrupted(err)
		}
		for _, s := range plan {
			name, state, took, memory := s.Step.Name, s.Why, any(nil), any(nil)
			if len(pipelines) > 1 {
				name = fmt.Sprintf("run %d: %s", n+1, name)
			}
			r := row{Step: name, Done: s.Done, Why: s.Why, From: s.From, Memory: s.Memory}
			switch {
			case s.Done:
				state = "done, skipped"
				r.Seconds = new(float64)
			case math.IsNaN(s.Seconds):
				unknown++
			default:
				took, total, r.Seconds = seconds(s.Seconds), total+s.Seconds, &s.Seconds
			}
			if s.Memory > 0 {
				memory = text.Bytes(s.Memory)
			}
			rows = append(rows, r)
			t.Add(name, state, took, s.From, memory)
		}
	}
	if f.asJSON {
		return cli.PrintJSON(map[string]any{"steps": rows, "seconds_at_most": total, "unknown": unknown})
	}
	t.Note = fmt.Sprintf("at most %s in all: training ends early when validation stops improving", report.Duration(seconds(total)))
	if unknown > 0 {
		t.Note += fmt.Sprintf("; %s without training not timed yet", text.Plural(unknown, "step"))
	}
	return t.WriteText(cli.Out)
}

func seconds(x float64) time.Duration { return time.Duration(x * float64(time.Second)) }
