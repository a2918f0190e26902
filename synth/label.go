package synth

import (
	"math"
)

// label says which of the plan's lesions each voxel of the input belongs to (0:
// none; n: the n-th), and gives the lesions with those that the 1 mm grid lost
// added.
func (s *Scan) label(pl *Plan) (labels []int32, lesions []Lesion) {
	lesions = append(lesions, pl.Record.Lesions...)
	fine := make([]int32, len(pl.base)) // on the 1 mm grid, in the network's order
	for n, list := range pl.lesions {
		for _, i := range list {
			fine[i] = int32(n + 1)
		}
	}
	labels = s.labelReal(fine, pl)
	spread(labels, s.realVoxel, s.Input.Size)
	lesions = append(lesions, s.labelLost(labels, len(lesions))...)
	s.labelGenerated(labels, pl)
	return labels, lesions
}

func (s *Scan) realVoxel(i int) bool { return s.InputLesions.Data[i] && s.InputBrain.Data[i] }

// reach is how far, in voxels of 1 mm, a lesion's voxel may lie from its own image
// on the 1 mm grid.
const reach = 2

// labelReal gives voxels of the input's lesions the label of the nearest real
// lesion on the 1 mm grid within reach.
func (s *Scan) labelReal(fine []int32, pl *Plan) []int32 {
	labels := make([]int32, len(s.InputLesions.Data))
	g := s.Input.Grid
	for i := range labels {
		if !s.realVoxel(i) {
			continue
		}
		c := s.Image.Voxel(g.World(float64(i%g.Size[0]), float64(i/g.Size[0]%g.Size[1]), float64(i/g.Size[0]/g.Size[1])))
		var at [3]int
		for a := range at {
			at[a] = int(math.Floor(c[a] + 0.5))
		}
		best := math.Inf(1)
		for d := at[0] - reach; d <= at[0]+reach; d++ {
			for h := at[1] - reach; h <= at[1]+reach; h++ {
				for w := at[2] - reach; w <= at[2]+reach; w++ {
					v := [3]int{d, h, w}
					if !inside(v, pl.Size) {
						continue
					}
					l := fine[index(v, pl.Size)]
					if l == 0 || pl.Record.Lesions[l-1].Origin != Real {
						continue
					}
					r := sq(float64(d)-c[0]) + sq(float64(h)-c[1]) + sq(float64(w)-c[2])
					if r < best {
						best, labels[i] = r, l
					}
				}
			}
		}
	}
	return labels
}

func sq(x float64) float64 { return x * x }

// spread hands labels on to unlabelled neighbours of which in is true, until
// nothing changes: a voxel takes the smallest label around it, one step at a time.
func spread(labels []int32, in func(i int) bool, size [3]int) {
	network := [3]int{size[2], size[1], size[0]} // the volume's order, seen as the network's
	for changed := true; changed; {
		changed = false
		next := map[int]int32{}
		for i, l := range labels {
			if l != 0 || !in(i) {
				continue
			}
			least := int32(0)
			grow([]int32{int32(i)}, network, 1, func(j int) {
				if o := labels[j]; o != 0 && (least == 0 || o < least) {
					least = o
				}
			})
			if least != 0 {
				next[i], changed = least, true
			}
		}
		for i, l := range next {
			labels[i] = l
		}
	}
}

// labelLost makes lesions of the voxels that still have no label: too small for
// the 1 mm grid, they stay at both time points.
func (s *Scan) labelLost(labels []int32, known int) (lost []Lesion) {
	mask := make([]bool, len(labels))
	any := false
	for i, l := range labels {
		mask[i] = l == 0 && s.realVoxel(i)
		any = any || mask[i]
	}
	if !any {
		return nil
	}
	g := s.Input.Size
	for n, list := range components(mask, [3]int{g[2], g[1], g[0]}) {
		for _, i := range list {
			labels[i] = int32(known + n + 1)
		}
		lost = append(lost, Lesion{Origin: Real, Time1: true, Time2: true})
	}
	return lost
}

// labelGenerated adds the lesions that were put in: voxels of the brain half
// inside, by linear interpolation of the mask, that no lesion has.
func (s *Scan) labelGenerated(labels []int32, pl *Plan) {
	for n, l := range pl.Record.Lesions {
		if l.Origin != Generated {
			continue
		}
		mask := make([]bool, len(pl.base))
		for _, i := range pl.lesions[n] {
			mask[i] = true
		}
		for i, in := range s.canonical(mask).Resample(s.Input.Grid).Data {
			if in && labels[i] == 0 && s.InputBrain.Data[i] {
				labels[i] = int32(n + 1)
			}
		}
	}
}
