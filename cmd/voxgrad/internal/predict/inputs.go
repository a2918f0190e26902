package predict

import (
	"fmt"

	"github.com/spf13/cobra"

	"voxgrad/train/prep"
	"voxgrad/volume"
)

// read loads the scans, the brain mask and the transforms.
func (j *predictJob) read(cmd *cobra.Command) (c prep.Case, err error) {
	given := false
	for _, t := range j.transforms {
		given = given || t != ""
	}
	switch {
	case given && j.space == "":
		return c, fmt.Errorf("transforms need --space: an image on the grid of the common space")
	case !given && j.space != "":
		return c, fmt.Errorf("--space is for scans with --transform1 or --transform2")
	}
	for _, path := range j.images {
		v, err := volume.Read(path)
		if err != nil {
			return c, err
		}
		c.Times = append(c.Times, v)
	}
	switch j.brain {
	case "none":
		c.NoMask = true
	case "":
	default:
		var threshold *float64
		if cmd.Flags().Changed("brainmask-threshold") {
			threshold = &j.brainAt
		}
		if c.Brain, err = volume.ReadMaskAbove(j.brain, threshold); err != nil {
			return c, err
		}
	}
	if !given {
		return c, nil
	}
	if c.Space, err = volume.Read(j.space); err != nil {
		return c, err
	}
	c.Space.Data = nil // its grid is all that is needed
	for _, path := range j.transforms {
		var t *prep.Transform
		if path != "" {
			t = &prep.Transform{Path: path}
			if t.Transform, err = volume.ReadITK(path); err != nil {
				return c, err
			}
		}
		c.Transforms = append(c.Transforms, t)
	}
	return c, nil
}
