package infer

import (
	"fmt"
	"math"

	"voxgrad/volume"
)

// Window is one place of the sliding window and how often it counts.
type Window struct {
	Start  [3]int
	Weight int
}

// mostWindows bounds the windows of an image: with a small stride there are as many as
// voxels.
const mostWindows = 4 << 20

// Windows are the places of windows of the given size on a grid: along each axis
// starts at 0, stride, 2·stride, … below the grid's extent, and one that would reach
// past the end is shifted back. A place reached several times is listed once,
// with that weight. An axis shorter than the window is taken as padded at its end to the
// window's length. Windows come in raster order, x fastest.
func Windows(grid, window, stride [3]int) []Window {
	starts, weights := gridStarts(grid, window, stride)
	var out []Window
	for k, z := range starts[2] {
		for j, y := range starts[1] {
			for i, x := range starts[0] {
				out = append(out, Window{[3]int{x, y, z}, weights[0][i] * weights[1][j] * weights[2][k]})
			}
		}
	}
	return out
}

func gridStarts(grid, window, stride [3]int) (starts, weights [3][]int) {
	for a := range 3 {
		starts[a], weights[a] = axisStarts(max(grid[a], window[a]), window[a], stride[a])
	}
	return starts, weights
}

func axisStarts(n, window, stride int) (starts, weights []int) {
	for s := 0; s < n; s += stride {
		at := min(s, n-window)
		if last := len(starts) - 1; last >= 0 && starts[last] == at {
			weights[last]++
			continue
		}
		starts, weights = append(starts, at), append(weights, 1)
	}
	return starts, weights
}

// brainWindows is Windows without those that hold no brain: the result is multiplied
// by the brain mask, so they cannot change it.
func brainWindows(g volume.Grid, opt Options, brain *volume.Mask) ([]Window, error) {
	starts, _ := gridStarts(g.Size, opt.Patch, opt.Stride)
	if n := len(starts[0]) * len(starts[1]) * len(starts[2]); n > mostWindows {
		return nil, fmt.Errorf("stride %v makes %d windows of an image of %v voxels; up to %d are possible: use a larger stride", opt.Stride, n, g.Size, mostWindows)
	}
	all := Windows(g.Size, opt.Patch, opt.Stride)
	if brain == nil {
		return all, nil
	}
	var out []Window
	for _, w := range all {
		if hasBrain(w.Start, opt.Patch, brain) {
			out = append(out, w)
		}
	}
	return out, nil
}

func hasBrain(start [3]int, patch [3]int, brain *volume.Mask) bool {
	g := brain.Grid
	for k := start[2]; k < min(start[2]+patch[2], g.Size[2]); k++ {
		for j := start[1]; j < min(start[1]+patch[1], g.Size[1]); j++ {
			for i := start[0]; i < min(start[0]+patch[0], g.Size[0]); i++ {
				if brain.Data[g.Index(i, j, k)] {
					return true
				}
			}
		}
	}
	return false
}

// gaussianSigma is the window weights' standard deviation as a share of the
// window's edge, the value that nnU-Net made usual.
const gaussianSigma = 1.0 / 8

// gaussian is the weight of each voxel of a window along one axis, largest in
// the middle, never below a hundredth of that: every voxel keeps a say.
func gaussian(n int) []float64 {
	w := make([]float64, n)
	for i := range w {
		u := (float64(i) - float64(n-1)/2) / (gaussianSigma * float64(n))
		w[i] = max(math.Exp(-u*u/2), 0.01)
	}
	return w
}

// accumulator makes the weighted mean of window probabilities on the canonical grid,
// inside the brain. Sums are kept for the planes that windows may still reach: with
// one group of members, as many as a window is deep.
type accumulator struct {
	grid   volume.Grid
	brain  *volume.Mask // nil: everywhere
	patch  [3]int
	weight [3][]float64 // of a window's voxels along each axis
	out    *volume.Volume

	first int // plane of the first sum
	sum   []float64
	total []float64
}

func newAccumulator(g volume.Grid, brain *volume.Mask, groups int, opt Options) *accumulator {
	planes := g.Size[2]
	if groups == 1 { // several come back to the first plane
		planes = min(planes, opt.Patch[2])
	}
	n := g.Size[0] * g.Size[1] * planes
	a := &accumulator{grid: g, brain: brain, patch: opt.Patch, out: volume.New(g), sum: make([]float64, n), total: make([]float64, n)}
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

// add counts one window's probabilities, in network order. With one group, windows
// come in raster order.
func (a *accumulator) add(prob []float32, w Window) {
	size := a.grid.Size
	plane := size[0] * size[1]
	if end := min(w.Start[2]+a.patch[2], size[2]); end > a.first+len(a.sum)/plane {
		a.finish(w.Start[2])
	}
	for k := 0; k < a.patch[2] && w.Start[2]+k < size[2]; k++ {
		for j := 0; j < a.patch[1] && w.Start[1]+j < size[1]; j++ {
			row := a.grid.Index(w.Start[0], w.Start[1]+j, w.Start[2]+k) - a.first*plane
			rowWeight := a.weight[2][k] * a.weight[1][j] * float64(w.Weight)
			for i := 0; i < a.patch[0] && w.Start[0]+i < size[0]; i++ {
				weight := rowWeight * a.weight[0][i]
				a.sum[row+i] += weight * float64(prob[(i*a.patch[1]+j)*a.patch[2]+k])
				a.total[row+i] += weight
			}
		}
	}
}

// finish writes the means of the planes before one and moves on to it.
func (a *accumulator) finish(next int) {
	plane := a.grid.Size[0] * a.grid.Size[1]
	done := min((next-a.first)*plane, len(a.sum))
	for i, t := range a.total[:done] {
		if x := a.first*plane + i; t > 0 && (a.brain == nil || a.brain.Data[x]) {
			a.out.Data[x] = float32(a.sum[i] / t)
		}
	}
	for _, s := range [][]float64{a.sum, a.total} {
		clear(s[copy(s, s[done:]):])
	}
	a.first = next
}

// mean is the result; nothing can be added after it.
func (a *accumulator) mean() *volume.Volume {
	a.finish(a.grid.Size[2])
	a.sum, a.total = nil, nil
	return a.out
}
