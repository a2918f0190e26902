package synth

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// Every voxel of the region is in the core of one tile and in its window; where
// the scan has room, at least an eighth of the window away from the window's faces.
func TestTilesCoverTheRegion(t *testing.T) {
	for seed := range 40 {
		s := rng.New(1, seed)
		size := [3]int{12 + s.Intn(50), 12 + s.Intn(50), 12 + s.Intn(50)}
		window := [3]int{16, 24, 16}
		region := make([]bool, size[0]*size[1]*size[2])
		for range 1 + s.Intn(12) { // boxes of all sizes, some larger than a window
			var lo, n [3]int
			for a := range lo {
				lo[a] = s.Intn(size[a])
				n[a] = 1 + s.Intn(1+s.Intn(30))
			}
			for i := range region {
				at := unindex(i, size)
				in := true
				for a := range at {
					in = in && at[a] >= lo[a] && at[a] < lo[a]+n[a]
				}
				region[i] = region[i] || in
			}
		}
		hits := make([]int, len(region))
		for _, tl := range tiles(region, size, window) {
			require.NotEmpty(t, tl.core)
			for _, i := range tl.core {
				hits[i]++
				at := unindex(int(i), size)
				for a := range at {
					room := min(at[a]-tl.start[a], tl.start[a]+window[a]-1-at[a])
					border := tl.start[a] <= 0 || tl.start[a] >= size[a]-window[a]
					require.GreaterOrEqual(t, room, 0)
					require.True(t, border || room >= window[a]/8, "voxel %v, window at %v", at, tl.start)
				}
			}
		}
		for i, in := range region {
			if in != (hits[i] == 1) {
				t.Fatalf("seed %d: voxel %v, region %v, filled %d times", seed, unindex(i, size), in, hits[i])
			}
		}
	}
	require.Empty(t, tiles(nil, [3]int{8, 8, 8}, [3]int{8, 8, 8}))
}

func TestTilesShareWindows(t *testing.T) {
	p := box(40).mark([3]int{10, 10, 10}).mark([3]int{14, 10, 10}).mark([3]int{30, 30, 30})
	require.Len(t, tiles(p.Lesions, p.Size, [3]int{16, 16, 16}), 2)
}

func TestWindow(t *testing.T) {
	size := [3]int{3, 4, 5}
	src := make([]int, 60)
	for i := range src {
		src[i] = i + 1
	}
	for _, start := range [][3]int{{0, 0, 0}, {-1, 2, -3}, {2, -2, 4}, {5, 0, 0}} {
		box := [3]int{4, 3, 6}
		got := window(src, size, start, box)
		for n, v := range got {
			at := unindex(n, box)
			for a := range at {
				at[a] += start[a]
			}
			want := 0
			if inside(at, size) {
				want = index(at, size) + 1
			}
			require.Equal(t, want, v)
		}
	}
}

// A scan of one window is filled as a patch would be.
func TestPaintOfOneWindowIsRun(t *testing.T) {
	o := busy()
	p, values := cutPatch(t)
	pl := plan(t, o, 5, p, phantomLibrary(t, o))
	dev := openCPU(t)
	var got [2][]float32
	for time := range got {
		got[time] = append([]float32(nil), values...)
	}
	calls := 0
	w := Windows{Size: p.Size, Progress: func(done, total int) {
		calls++
		require.Equal(t, calls, done)
		require.LessOrEqual(t, done, total)
	}}
	require.Equal(t, 1, len(tiles(union(pl.remove), p.Size, p.Size)), "this test needs one window")
	require.Equal(t, 1, len(tiles(union(pl.put), p.Size, p.Size)))
	require.NoError(t, w.Fill(context.Background(), dev, networks(t, dev), pl, got))
	require.Equal(t, 4, calls)
	pl.RemoveKey, pl.GenerateKey = rng.Key(pl.RemoveKey, "window", 0), rng.Key(pl.GenerateKey, "window", 0)
	require.Equal(t, paintOn(t, dev, pl, values), got)
}

// A whole scan in many windows: the rest keeps its bits, every filled voxel
// changes, and memory is that of a window.
func TestPaintWholeScan(t *testing.T) {
	o := busy()
	o.GeneratedMin, o.GeneratedMax = 4, 4
	s := phantomScan(t, 0)
	p := s.Patch()
	pl := plan(t, o, 6, p, phantomLibrary(t, o))
	dev := openCPU(t)
	fill := func() (out [2][]float32) {
		out = [2][]float32{s.Values(), s.Values()}
		w := Windows{Size: [3]int{16, 16, 16}}
		require.NoError(t, w.Fill(context.Background(), dev, networks(t, dev), pl, out))
		return out
	}
	require.Greater(t, len(tiles(union(pl.remove), p.Size, [3]int{16, 16, 16})), 3)
	out := fill()
	for time := range out {
		mask := pl.Filled(time)
		require.Positive(t, count(mask))
		for i, v := range s.Values() {
			if mask[i] == (out[time][i] == v) {
				t.Fatalf("time %d, voxel %v: filled %v, %g became %g", time+1, p.at(i), mask[i], v, out[time][i])
			}
		}
	}
	require.Equal(t, out, fill())

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	w := Windows{Size: [3]int{16, 16, 16}}
	require.ErrorIs(t, w.Fill(ctx, dev, networks(t, dev), pl, out), context.Canceled)
	w.Size[1] = 12
	require.ErrorContains(t, w.Fill(context.Background(), dev, networks(t, dev), pl, out), "multiple of 8")
}

// What is filled does not depend on what was there, in this window or another.
func TestPaintForgetsTheLesions(t *testing.T) {
	o := busy()
	o.GeneratedMin, o.GeneratedMax = 0, 0
	s := phantomScan(t, 0)
	pl := plan(t, o, 7, s.Patch(), phantomLibrary(t, o))
	dev := openCPU(t)
	nets := networks(t, dev)
	fill := func(change float32) (out [2][]float32) {
		for time := range out {
			out[time] = s.Values()
			for i, in := range pl.remove[time] {
				if in {
					out[time][i] += change
				}
			}
		}
		require.NoError(t, Windows{Size: [3]int{16, 16, 16}}.Fill(context.Background(), dev, nets, pl, out))
		return out
	}
	shared := 0
	for _, tl := range tiles(union(pl.remove), pl.Size, [3]int{16, 16, 16}) {
		if count(window(union(pl.remove), pl.Size, tl.start, [3]int{16, 16, 16})) > len(tl.core) {
			shared++
		}
	}
	require.Positive(t, shared, "a window must show voxels that another one fills")
	require.Equal(t, fill(0), fill(5))
}
