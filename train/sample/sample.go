// Package sample draws training patches: which case, which place, which
// orientation. Every patch is a pure function of (seed, stream name, index), so
// that any of them can be drawn again and a resumed run goes on where it stopped.
package sample

import (
	"voxgrad/internal/rng"
)

// Sample is one patch with everything a transform may need. Arrays are in the
// network's order: axes D, H, W are the canonical grid's x, y, z and W runs
// fastest, element (d,h,w) at (d·H+h)·W+w.
type Sample struct {
	Index  int         // its number in the stream
	Case   string      // the case it was cut from
	Start  [3]int      // grid position (x, y, z) of its first voxel in the loaded case; negative where padded
	Size   [3]int      // D, H, W
	Images [][]float32 // one per time point
	Labels []uint8     // dataset.Brain and dataset.Lesion bits
}

// Augment changes a sample in place, drawing from s alone. It runs in the
// loading goroutines, possibly for several samples at once.
type Augment func(p *Sample, s *rng.Stream)

// Source gives the sample with a number. Draw must be a pure function of the
// number and may be called from several goroutines at once.
type Source interface {
	Draw(index int) (*Sample, error)
}
