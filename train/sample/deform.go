package sample

import (
	"math"

	"voxgrad/augment"
	"voxgrad/train/dataset"
)

// cutThrough is Cut through a map: intensities and likelihoods are interpolated linearly, labels those of the nearest
// voxel, all 0 outside the case.
func cutThrough(it *dataset.Item, start [3]int, space *augment.Space, size [3]int) *Sample {
	n := size[0] * size[1] * size[2]
	p := &Sample{Case: it.Case.ID, Start: start, Size: size, Labels: make([]uint8, n)}
	g := it.Grid()
	sources := make([][]float32, 0, len(it.Images)+1)
	for _, im := range it.Images {
		sources = append(sources, im.Data)
		p.Images = append(p.Images, make([]float32, n))
	}
	to := p.Images
	if it.Likelihood != nil {
		p.Likelihood = make([]float32, n)
		sources, to = append(sources, it.Likelihood), append(to[:len(to):len(to)], p.Likelihood)
	}
	step := [3]int{1, g.Size[0], g.Size[0] * g.Size[1]}
	space.Each(func(i int, at [3]float64) {
		var base [3]int
		var frac [3]float64
		nearest, inside := 0, true
		for a := range at {
			q := at[a] + float64(start[a])
			floor := math.Floor(q)
			base[a], frac[a] = int(floor), q-floor
			near := int(math.Floor(q + 0.5))
			inside = inside && near >= 0 && near < g.Size[a]
			nearest += near * step[a]
		}
		if inside {
			p.Labels[i] = it.Labels[nearest]
		}
		for corner := range 8 {
			weight, index, in := 1.0, 0, true
			for a := range 3 {
				c := base[a] + corner>>a&1
				if corner>>a&1 == 1 {
					weight *= frac[a]
				} else {
					weight *= 1 - frac[a]
				}
				in = in && c >= 0 && c < g.Size[a]
				index += c * step[a]
			}
			if !in || weight == 0 {
				continue
			}
			for k, x := range sources {
				to[k][i] += float32(weight * float64(x[index]))
			}
		}
	})
	return p
}
