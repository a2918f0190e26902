package infer

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/device/cpu"
	"voxgrad/internal/rng"
)

// Against loops over every start: each place once, with the number of starts that
// lead there, and every voxel covered.
func TestWindows(t *testing.T) {
	// 96: starts 0, 32, 64 → 0, 32, 32. 81: 0, 32, 64 → 0, 17, 17. 50, padded to 64: 0, 32 → 0, 0.
	require.Equal(t, []Window{
		{[3]int{0, 0, 0}, 2}, {[3]int{32, 0, 0}, 4},
		{[3]int{0, 17, 0}, 4}, {[3]int{32, 17, 0}, 8},
	}, Windows([3]int{96, 81, 50}, [3]int{64, 64, 64}, [3]int{32, 32, 32}))
	r := rng.New(1)
	for range 60 {
		var grid, window, stride [3]int
		for a := range 3 {
			grid[a], window[a] = 1+r.Intn(40), 8*(1+r.Intn(4))
			stride[a] = 2 + r.Intn(window[a]-1)
		}
		want := map[[3]int]int{}
		for z := 0; z < max(grid[2], window[2]); z += stride[2] {
			for y := 0; y < max(grid[1], window[1]); y += stride[1] {
				for x := 0; x < max(grid[0], window[0]); x += stride[0] {
					at := [3]int{x, y, z}
					for a := range 3 {
						if at[a]+window[a] > grid[a] {
							at[a] = max(grid[a]-window[a], 0)
						}
					}
					want[at]++
				}
			}
		}
		got := map[[3]int]int{}
		for _, w := range Windows(grid, window, stride) {
			require.NotContains(t, got, w.Start, "listed once")
			got[w.Start] = w.Weight
		}
		require.Equal(t, want, got)
	}
}

func TestWindowsWithoutBrainCannotMatter(t *testing.T) {
	dev := cpu.New()
	defer dev.Close()
	net := network(t, dev, "segmenter", 5)
	v := noise(2, [3]int{40, 40, 24})
	brain := ball(v.Grid, [3]float64{6, 7, 8}, 5)
	opt := small()
	var total int
	opt.Progress = func(done, all int) { total = all }
	r, err := Predict(context.Background(), []Member{Keep(net)}, one(brain, v), opt)
	require.NoError(t, err)
	require.Less(t, total, len(Windows(v.Size, opt.Patch, opt.Stride)))

	for i := range v.Data {
		v.Data[i] *= bit(brain.Data[i])
	}
	all, err := Predict(context.Background(), []Member{Keep(net)}, one(nil, v), opt)
	require.NoError(t, err)
	require.Equal(t, len(Windows(v.Size, opt.Patch, opt.Stride)), total)
	outside := 0
	for i, b := range brain.Data {
		if b {
			require.Equal(t, all.Prob.Data[i], r.Prob.Data[i])
			continue
		}
		require.Zero(t, r.Prob.Data[i])
		if all.Prob.Data[i] != 0 {
			outside++
		}
	}
	require.Positive(t, outside, "NoMask predicts outside too")
}
