package synth

import (
	"math"
	"sync"

	"voxgrad/volume"
)

// Site is a kind of place of lesions, as MS has them.
type Site uint8

// The sites, after McDonald's criteria and one more.
const (
	NoSite          Site = iota
	Periventricular      // white matter at most 3 mm from a ventricle
	NearVentricles       // from there to 10 mm
	Juxtacortical        // white matter that touches the cortex, or nearly
	DeepWhite            // other white matter
	Infratentorial       // brain stem, cerebellar white matter
	siteCount
)

// Distances that tell the sites from each other, in mm.
const (
	atVentricle   = 3
	nearVentricle = 10
	atCortex      = 1.5
	rimBits       = 31 // distances from the ventricles are kept up to here
	cortexBit     = 1 << 5
)

// sites are what an anatomy knows of distances; made when lesions are first drawn in it.
type sites struct {
	once sync.Once
	near []uint8 // distance from the ventricles in mm, rounded up, at most rimBits; and cortexBit
	err  error
}

// prepare measures the distances.
func (a *Anatomy) prepare() error {
	a.sites.once.Do(func() {
		ventricle, cortex := make([]bool, len(a.voxels)), make([]bool, len(a.voxels))
		for i, v := range a.voxels {
			c := Class(v & classBits)
			ventricle[i], cortex[i] = c == Ventricle, c == Cortex
		}
		a.sites.near = make([]uint8, len(a.voxels))
		for _, m := range []struct {
			mask []bool
			set  func(i int, mm float64)
		}{
			{ventricle, func(i int, mm float64) { a.sites.near[i] |= uint8(min(math.Ceil(mm), rimBits)) }},
			{cortex, func(i int, mm float64) {
				if mm <= atCortex {
					a.sites.near[i] |= cortexBit
				}
			}},
		} {
			d, err := volume.Distance(m.mask, a.Size, volume.Voxels)
			if err != nil {
				a.sites.err = err
				return
			}
			for i, mm := range d {
				m.set(i, float64(mm))
			}
		}
	})
	return a.sites.err
}

// site is what kind of place a voxel is.
func (a *Anatomy) site(i int) Site {
	c := Class(a.voxels[i] & classBits)
	near := a.sites.near[i]
	switch {
	case c == BrainStem || c == CerebellarWhiteMatter:
		return Infratentorial
	case c != WhiteMatter:
		return NoSite
	case near&rimBits <= atVentricle:
		return Periventricular
	case near&cortexBit != 0:
		return Juxtacortical
	case near&rimBits <= nearVentricle:
		return NearVentricles
	}
	return DeepWhite
}
