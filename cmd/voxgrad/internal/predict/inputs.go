package predict

import (
	"fmt"

	"github.com/spf13/cobra"

	"voxgrad/train/infer"
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

// nativeScan is the first scan as it was given, if a transform moved it.
type nativeScan struct {
	grid    *volume.Volume   // without its voxels
	scan    *volume.Volume   // nil: not wanted in the result
	inverse volume.Transform // to the common space
}

func native(c prep.Case, withScan bool) *nativeScan {
	if c.Space == nil {
		return nil
	}
	first := c.Times[0]
	n := &nativeScan{grid: &volume.Volume{Grid: first.Grid, Source: first.Source, Path: first.Path}, inverse: volume.Identity}
	if withScan {
		n.scan = first
	}
	if t := c.Transforms[0]; t != nil {
		n.inverse = t.Transform.Inverse()
	}
	return n
}

// back moves a result from the common space to the grid of the first scan as it was
// given: the map is interpolated linearly, then thresholded.
func (n *nativeScan) back(r *infer.Result, threshold float64) {
	prob := volume.ResampleThrough(r.Prob, n.grid.Grid, n.inverse, volume.Linear, 0)
	prob.Path, prob.Source = "", n.grid.Source
	r.Prob, r.Mask, r.Brain = prob, prob.Above(threshold), nil
	if n.scan == nil {
		return
	}
	for i := range r.Aligned[1:] {
		r.Aligned[i+1] = volume.ResampleThrough(r.Aligned[i+1], n.grid.Grid, n.inverse, volume.Linear, 0)
	}
	r.Aligned[0] = n.scan
}
