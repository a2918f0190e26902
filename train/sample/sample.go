// Package sample draws training patches: which case, which place, which
// orientation. Every patch is a pure function of (seed, stream name, index), so
// that any of them can be drawn again and a resumed run goes on where it stopped.
package sample

import (
	"errors"

	"voxgrad/augment"
	"voxgrad/synth"
)

// Sample is one patch with everything that a step needs to know about it. Arrays
// are in the network's order: axes D, H, W are the canonical grid's x, y, z and W
// runs fastest, element (d,h,w) at (d·H+h)·W+w.
type Sample struct {
	Index  int         // its number in the stream
	Case   string      // the case it was cut from
	Start  [3]int      // grid position (x, y, z) of its first voxel in the loaded case; negative where padded
	Size   [3]int      // D, H, W
	Images [][]float32 // one per time point
	Labels []uint8     // dataset.Brain and dataset.Lesion bits

	// Likelihood is how likely a lesion is put at each voxel; nil where that is not
	// known.
	Likelihood []float32

	// Share is how much of each voxel belongs to what is looked for, where that is drawn
	// finer than the voxels; nil where Labels tell.
	Share []float32

	// Recipes state how each copy of the patch is degraded on the device: one per time
	// point. Empty for validation.
	Recipes []augment.Recipe

	// Plan states how two time points are made of one image.
	Plan *synth.Plan

	// Fill marks the voxels that are filled with noise, and FillKey their noise: for
	// tasks that restore what the noise hides.
	Fill    []bool
	FillKey uint64
}

// Hook completes a sample, drawing from s alone. It runs in the loading goroutines,
// possibly for several samples at once. ErrAgain asks for another place.
type Hook func(p *Sample, s *augment.Stream) error

// ErrAgain is a hook's answer to a patch that it can do nothing with.
var ErrAgain = errors.New("the patch does not suit")

// Source returns the sample with a number. Draw must be a pure function of the
// number and may be called from several goroutines at once.
type Source interface {
	Draw(index int) (*Sample, error)
}
