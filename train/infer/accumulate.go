package infer

import "voxgrad/volume"

// accumulator sums window probabilities on the canonical grid.
type accumulator struct {
	grid   volume.Grid
	patch  [3]int
	weight [3][]float64 // of a window's voxels along each axis
	sum    []float64
	total  []float64
}

func newAccumulator(g volume.Grid, opt Options) *accumulator {
	a := &accumulator{grid: g, patch: opt.Patch, sum: make([]float64, g.Len()), total: make([]float64, g.Len())}
	for d, n := range opt.Patch {
		if opt.Gaussian {
			a.weight[d] = gaussian(n)
			continue
		}
		a.weight[d] = make([]float64, n)
		for i := range a.weight[d] {
			a.weight[d][i] = 1
		}
	}
	return a
}

// add counts one window's probabilities, in network order.
func (a *accumulator) add(prob []float32, w Window) {
	size := a.grid.Size
	for k := 0; k < a.patch[2] && w.Start[2]+k < size[2]; k++ {
		for j := 0; j < a.patch[1] && w.Start[1]+j < size[1]; j++ {
			row := a.grid.Index(w.Start[0], w.Start[1]+j, w.Start[2]+k)
			rowWeight := a.weight[2][k] * a.weight[1][j] * float64(w.Weight)
			for i := 0; i < a.patch[0] && w.Start[0]+i < size[0]; i++ {
				weight := rowWeight * a.weight[0][i]
				a.sum[row+i] += weight * float64(prob[(i*a.patch[1]+j)*a.patch[2]+k])
				a.total[row+i] += weight
			}
		}
	}
}

// mean is the weighted mean inside the brain (nil: everywhere).
func (a *accumulator) mean(brain []bool) *volume.Volume {
	out := volume.New(a.grid)
	for i, t := range a.total {
		if t > 0 && (brain == nil || brain[i]) {
			out.Data[i] = float32(a.sum[i] / t)
		}
	}
	return out
}

// brainWindows drops the windows without brain: the result is multiplied by the
// brain mask, so they cannot change it.
func brainWindows(all []Window, g volume.Grid, patch [3]int, brain []bool) []Window {
	if brain == nil {
		return all
	}
	var out []Window
	for _, w := range all {
		if hasBrain(w.Start, g, patch, brain) {
			out = append(out, w)
		}
	}
	return out
}

func hasBrain(start [3]int, g volume.Grid, patch [3]int, brain []bool) bool {
	for k := start[2]; k < min(start[2]+patch[2], g.Size[2]); k++ {
		for j := start[1]; j < min(start[1]+patch[1], g.Size[1]); j++ {
			for i := start[0]; i < min(start[0]+patch[0], g.Size[0]); i++ {
				if brain[g.Index(i, j, k)] {
					return true
				}
			}
		}
	}
	return false
}
