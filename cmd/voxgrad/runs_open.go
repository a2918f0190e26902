package main

import (
	"fmt"
	"os"
	"voxgrad/train/pipeline"

	"github.com/spf13/cobra"
)

// openPipeline reads a pipeline's configuration, with another seed if one is given, and
// opens its device; close gives the device back.
func openPipeline(cmd *cobra.Command, config, out, dev string, seed *uint64) (job pipeline.Job, closeDevice func(), err error) {
	text, err := os.ReadFile(config)
	if err != nil {
		return job, nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	job = pipeline.Job{Config: pipeline.Defaults(), Out: out, Version: buildVersion(), Events: newPipelineWatch().event}
	if err := job.Config.ParseTOML(text); err != nil {
		return job, nil, fmt.Errorf("%s: %w (docs/pipeline.md lists the settings)", config, err)
	}
	if seed != nil {
		job.Config.Seed = *seed
	}
	if job.OpenDry, err = dryDevice(cmd, dev); err != nil {
		return job, nil, err
	}
	if job.Device, err = openDevice(cmd, dev); err != nil {
		return job, nil, err
	}
	return job, func() { job.Device.Close() }, nil
}
