package main

import (
	"fmt"
	"math"

	"voxgrad/internal/par"
	"voxgrad/prepare/atlas"
	"voxgrad/volume"
)

// tissues is the tissue of each label; what is not named is background. Numbers below
// 500 are FreeSurfer's.
var tissues = map[uint16]atlas.Tissue{}

func init() {
	for tissue, labels := range map[atlas.Tissue][]uint16{
		// With lesions (25, 57), brain-stem and optic chiasm.
		atlas.WhiteMatter: {2, 41, 7, 46, 16, 25, 57, 85},
		atlas.Cortex:      {3, 42, 8, 47, 17, 53, 18, 54},
		atlas.DeepGrey:    {10, 49, 11, 50, 12, 51, 13, 52, 26, 58, 28, 60},
		// With the choroid plexus (31, 136, 137, 163, 164).
		atlas.Ventricles: {4, 43, 5, 44, 14, 15, 72, 31, 136, 137, 163, 164},
		// Around the brain, with the vessels in it.
		atlas.CSF:  {24, 29, 30, 61, 62, 514},
		atlas.Bone: {515, 516},
		// Skin, muscle, fat, eyes, the spinal cord, the nose.
		atlas.Soft: {502, 506, 507, 508, 509, 511, 512, 530},
	} {
		for _, l := range labels {
			tissues[l] = tissue
		}
	}
}

// none marks background in labelMap.
const none = 255

// labelMap is the tissue of each voxel.
type labelMap struct {
	volume.Grid
	tissue []uint8
}

func readMap(v *volume.Volume) (labelMap, error) {
	labels, err := v.Labels()
	if err != nil {
		return labelMap{}, err
	}
	m := labelMap{Grid: v.Grid, tissue: make([]uint8, len(labels))}
	for i, l := range labels {
		m.tissue[i] = none
		if t, ok := tissues[l]; ok {
			m.tissue[i] = uint8(t)
		} else if l != 0 {
			return m, fmt.Errorf("%s: label %d, which the atlas knows no tissue for", v.Name(), l)
		}
	}
	return m, nil
}

// at is the tissue at a point of the world, none outside the map.
func (m labelMap) at(inverse volume.Affine, p [3]float64) uint8 {
	q := inverse.Apply(p)
	var at [3]int
	for a := range q {
		at[a] = int(math.Floor(q[a] + 0.5))
		if at[a] < 0 || at[a] >= m.Size[a] {
			return none
		}
	}
	return m.tissue[m.Index(at[0], at[1], at[2])]
}

// average counts, for each voxel of the atlas, the maps' samples of each tissue. Each
// map counts a second time mirrored, as the reference is symmetric.
type average struct {
	grid        volume.Grid
	whole       int // maps of whole heads
	all         int
	head, brain [][atlas.Tissues]uint16 // samples of whole heads; of brains alone
}

// samples along each axis of a voxel.
const samples = 2

func newAverage(g volume.Grid) *average {
	return &average{grid: g, head: make([][atlas.Tissues]uint16, g.Len()), brain: make([][atlas.Tissues]uint16, g.Len())}
}

// add counts a map, t being the transform from the atlas to it.
func (a *average) add(m labelMap, t volume.Transform, whole bool) {
	counts := a.brain
	if whole {
		counts = a.head
		a.whole++
	}
	a.all++
	inverse := m.Affine.Inverse().Mul(t)
	g := a.grid
	par.For(g.Size[2], func(k int) {
		for j := range g.Size[1] {
			for i := range g.Size[0] {
				c := &counts[g.Index(i, j, k)]
				for s := range samples * samples * samples {
					off := func(n int) float64 { return (float64(n%samples)+0.5)/samples - 0.5 }
					p := g.World(float64(i)+off(s), float64(j)+off(s/samples), float64(k)+off(s/samples/samples))
					for _, x := range [2]float64{p[0], -p[0]} {
						if tissue := m.at(inverse, [3]float64{x, p[1], p[2]}); tissue != none {
							c[tissue]++
						}
					}
				}
			}
		}
	})
}

// likelihoods are the averages, 0 to 255. A map of a brain states nothing of what is
// outside it: there the heads' shares are taken.
func (a *average) likelihoods() (out [atlas.Tissues]*volume.Volume) {
	for t := range out {
		out[t] = volume.New(a.grid)
	}
	const each = 2 * samples * samples * samples
	for i := range a.grid.Len() {
		var p [atlas.Tissues]float64
		inside, insideHeads := 0.0, 0.0
		for t := range p {
			if atlas.Tissue(t).InBrain() {
				p[t] = float64(a.head[i][t]+a.brain[i][t]) / float64(each*a.all)
				inside += p[t]
				insideHeads += float64(a.head[i][t]) / float64(each*a.whole)
			}
		}
		for t := range p {
			if !atlas.Tissue(t).InBrain() && insideHeads < 1 {
				p[t] = float64(a.head[i][t]) / float64(each*a.whole) * (1 - inside) / (1 - insideHeads)
			}
			out[t].Data[i] = float32(quantise(p[t]))
		}
	}
	return out
}

// quantise is p on a scale of 0 to 255 in steps that the number of maps can bear, so that
// the files stay small.
func quantise(p float64) float64 {
	const steps = 17
	return math.Round(p*steps) * (255 / steps)
}
