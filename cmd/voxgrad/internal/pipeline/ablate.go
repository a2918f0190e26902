package pipeline

import (
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/cmd/voxgrad/internal/runs"
	"voxgrad/train/pipeline"
)

// NewAblate returns the command ablate.
func NewAblate() *cobra.Command {
	var f pipelineFlags
	cmd := &cobra.Command{
		Use:   "ablate --config FILE --out DIR",
		Short: "What transfer, synthesis and augmentation are worth, on your data",
		Long: `Runs the rows of the published method's ablation table on your data: everything, then
transfer learning, synthesis and augmentation alone, then none of them; ablation.rows of the
configuration chooses others. Steps that rows share are done once, and a row that the
pipeline has done in the same folder is taken over.

Prints Dice, lesion F1 and their mean on the test pairs, with a star where a row differs
from the first by the Wilcoxon signed-rank test, and writes ablation.txt, ablation.csv and
ablation.json. Pairs without new lesions have neither measure; the table says by which
rule they count.`,
		Example: "  voxgrad ablate --config ms.toml --out runs/ms",
		Args:    cli.ExactArgs(0, ""),
	}
	f.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		job, closeDevice, err := f.job(cmd)
		if err != nil {
			return err
		}
		defer closeDevice()
		if cmd.Flags().Changed("seed") && len(job.Config.Ablation.Seeds) > 0 {
			return cli.Usagef(cmd, "--seed has no meaning beside ablation.seeds = %d in %s", job.Config.Ablation.Seeds, f.config)
		}
		a, err := pipeline.OpenAblation(job)
		if err != nil {
			return fmt.Errorf("%s: %w", f.config, err)
		}
		switch {
		case f.dryRun:
			return f.plan(cmd.Context(), a.Pipelines()...)
		case f.only != "":
			for _, p := range a.Pipelines() {
				if err := p.Only(cmd.Context(), f.only, f.fold); err != nil {
					return runs.Interrupted(err)
				}
			}
			return nil
		}
		t, err := a.Run(cmd.Context())
		if err != nil {
			return runs.Interrupted(err)
		}
		if err := t.Write(f.out); err != nil {
			return err
		}
		if f.asJSON {
			return cli.PrintJSON(t)
		}
		slog.Info("written", "table", filepath.Join(f.out, pipeline.AblationText))
		return t.Table().WriteText(cli.Out)
	}
	return cmd
}
