package infer

import "math"

// Window is one place of the sliding window and how often it counts.
type Window struct {
	Start  [3]int
	Weight int
}

// Windows are the places of windows of the given size on a grid: along each axis
// starts at 0, hop, 2·hop, … below the grid's extent, and one that would reach
// past the end is shifted back. A place reached several times is listed once,
// with that weight. An axis shorter than the window is taken as padded at its end to the
// window's length. Windows come in raster order, x fastest.
func Windows(grid, window, hop [3]int) []Window {
	var starts, weights [3][]int
	for a := range 3 {
		starts[a], weights[a] = axisStarts(max(grid[a], window[a]), window[a], hop[a])
	}
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

func axisStarts(n, window, hop int) (starts, weights []int) {
	for s := 0; s < n; s += hop {
		at := min(s, n-window)
		if last := len(starts) - 1; last >= 0 && starts[last] == at {
			weights[last]++
			continue
		}
		starts, weights = append(starts, at), append(weights, 1)
	}
	return starts, weights
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
