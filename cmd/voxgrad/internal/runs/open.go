// Package runs holds what the commands that train share: how a pipeline is opened and how
// a run is shown.
package runs

import (
	"fmt"

	"github.com/spf13/cobra"

	"voxgrad/cmd/voxgrad/internal/cli"
	"voxgrad/internal/settings"
	"voxgrad/train/pipeline"
)

// ReadPipeline reads a pipeline's configuration, with another seed if one is given. Without
// a file it is the defaults.
func ReadPipeline(file string, seed *uint64) (pipeline.Config, error) {
	c := pipeline.Defaults()
	if file != "" {
		text, err := settings.ReadFile(file)
		if err != nil {
			return c, err
		}
		if err := c.ParseTOML(text); err != nil {
			return c, fmt.Errorf("%s: %w (--print-config prints all settings)", file, err)
		}
	}
	if seed != nil {
		if err := settings.CheckSeed(*seed); err != nil {
			return c, fmt.Errorf("--seed: %w", err)
		}
		c.Seed = *seed
	}
	return c, nil
}

// OpenPipeline reads a pipeline's configuration and opens its device; close gives the
// device back.
func OpenPipeline(cmd *cobra.Command, config, out, dev string, seed *uint64) (job pipeline.Job, closeDevice func(), err error) {
	job = pipeline.Job{Out: out, HostLimit: cli.HostMemory(), Version: cli.Version(), Commit: cli.Commit(), Events: newPipelineWatch().event}
	if job.Config, err = ReadPipeline(config, seed); err != nil {
		return job, nil, err
	}
	if job.OpenDry, err = cli.DryDevice(cmd, dev); err != nil {
		return job, nil, err
	}
	if job.Limit, err = cli.DeviceMemory(cmd, dev); err != nil {
		return job, nil, err
	}
	if job.Device, err = cli.OpenDevice(cmd, dev); err != nil {
		return job, nil, err
	}
	return job, func() { job.Device.Close() }, nil
}
