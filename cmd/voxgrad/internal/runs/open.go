// Package runs holds what the commands that train share: how a pipeline is opened and how
// a run is shown.
package runs

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/train/pipeline"
)

// OpenPipeline reads a pipeline's configuration, with another seed if one is given, and
// opens its device; close gives the device back.
func OpenPipeline(cmd *cobra.Command, config, out, dev string, seed *uint64) (job pipeline.Job, closeDevice func(), err error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return job, nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	job = pipeline.Job{Config: pipeline.Defaults(), Out: out, Version: cli.Version(), Events: newPipelineWatch().event}
	if err := job.Config.ParseTOML(text); err != nil {
		return job, nil, fmt.Errorf("%s: %w (docs/pipeline.md lists the settings)", config, err)
	}
	if seed != nil {
		job.Config.Seed = *seed
	}
	if job.OpenDry, err = cli.DryDevice(cmd, dev); err != nil {
		return job, nil, err
	}
	if job.Device, err = cli.OpenDevice(cmd, dev); err != nil {
		return job, nil, err
	}
	return job, func() { job.Device.Close() }, nil
}
