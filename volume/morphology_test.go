package volume

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/par"
	"voxgrad/internal/rng"
)

// distanceBySearch compares every voxel with every true one; where outside is set,
// voxels beyond the image are true, too.
func distanceBySearch(mask []bool, size [3]int, spacing [3]float64, outside bool) []float64 {
	var places [][3]int
	pad := 0
	if outside {
		pad = 1
	}
	g := Grid{Size: size}
	for k := -pad; k < size[2]+pad; k++ {
		for j := -pad; j < size[1]+pad; j++ {
			for i := -pad; i < size[0]+pad; i++ {
				in := i >= 0 && j >= 0 && k >= 0 && i < size[0] && j < size[1] && k < size[2]
				if !in || mask[g.Index(i, j, k)] {
					places = append(places, [3]int{i, j, k})
				}
			}
		}
	}
	out := make([]float64, g.Len())
	for x := range out {
		p := [3]int{x % size[0], x / size[0] % size[1], x / size[0] / size[1]}
		best := math.Inf(1)
		for _, q := range places {
			sum := 0.0
			for d := range 3 {
				sum += math.Pow(float64(p[d]-q[d])*spacing[d], 2)
			}
			best = min(best, sum)
		}
		out[x] = math.Sqrt(best)
	}
	return out
}

func TestDistanceAgainstSearch(t *testing.T) {
	sizes := [][3]int{{1, 1, 1}, {9, 1, 1}, {1, 8, 1}, {1, 1, 7}, {7, 6, 5}, {70, 3, 2}, {8, 9, 10}}
	spacings := [][3]float64{{1, 1, 1}, {0.7, 0.7, 3}, {2, 0.5, 1.1}}
	for n, size := range sizes {
		for _, spacing := range spacings {
			for _, density := range []float64{0, 0.01, 0.2, 0.9, 1} {
				mask := randomMask(size[0]*size[1]*size[2], density, uint64(n))
				got, err := Distance(mask, size, spacing)
				require.NoError(t, err)
				want := distanceBySearch(mask, size, spacing, false)
				for x := range want {
					if math.IsInf(want[x], 1) {
						require.True(t, math.IsInf(float64(got[x]), 1))
					} else {
						require.InDelta(t, want[x], got[x], 1e-5*(1+want[x]))
					}
				}
			}
		}
	}
}

func TestErodeAndDilateAgainstSearch(t *testing.T) {
	size := [3]int{9, 8, 7}
	for n, spacing := range [][3]float64{Voxels, {0.7, 0.8, 3}} {
		for _, density := range []float64{0, 0.02, 0.6, 0.97, 1} {
			mask := randomMask(size[0]*size[1]*size[2], density, uint64(n))
			inverse := make([]bool, len(mask))
			for x := range mask {
				inverse[x] = !mask[x]
			}
			near := distanceBySearch(mask, size, spacing, false)
			far := distanceBySearch(inverse, size, spacing, true)
			for _, radius := range []float64{0, 0.9, 1, 1.5, 2.1, 6} {
				grown, err := Dilate(mask, size, spacing, radius)
				require.NoError(t, err)
				shrunk, err := Erode(mask, size, spacing, radius)
				require.NoError(t, err)
				for x := range mask {
					require.Equal(t, near[x] <= radius*(1+1e-9), grown[x], "dilate %g at %d", radius, x)
					require.Equal(t, far[x] > radius*(1+1e-9), shrunk[x], "erode %g at %d", radius, x)
				}
			}
		}
	}
}

func TestDilateByOneVoxelIsFaces(t *testing.T) {
	size := [3]int{5, 5, 5}
	mask := make([]bool, 125)
	mask[Grid{Size: size}.Index(2, 2, 2)] = true
	for radius, want := range map[float64]int{0: 1, 1: 7, math.Sqrt2: 19, math.Sqrt(3): 27} {
		out, err := Dilate(mask, size, Voxels, radius)
		require.NoError(t, err)
		require.Equal(t, want, countTrue(out), "radius %g", radius)
	}
}

func countTrue(mask []bool) int {
	n := 0
	for _, m := range mask {
		if m {
			n++
		}
	}
	return n
}

func TestFillHoles(t *testing.T) {
	// A box with a cavity, and with a tunnel to the outside in a second copy.
	size := [3]int{7, 7, 7}
	g := Grid{Size: size}
	box := make([]bool, g.Len())
	for k := 1; k < 6; k++ {
		for j := 1; j < 6; j++ {
			for i := 1; i < 6; i++ {
				box[g.Index(i, j, k)] = true
			}
		}
	}
	hollow := append([]bool(nil), box...)
	hollow[g.Index(3, 3, 3)] = false
	hollow[g.Index(3, 3, 4)] = false
	filled, err := FillHoles(hollow, size)
	require.NoError(t, err)
	require.Equal(t, box, filled)

	hollow[g.Index(3, 3, 5)] = false
	filled, err = FillHoles(hollow, size)
	require.NoError(t, err)
	require.Equal(t, hollow, filled)
	// A corner contact with the outside is no way out.
	hollow[g.Index(3, 3, 5)] = true
	hollow[g.Index(1, 1, 1)] = false
	filled, err = FillHoles(hollow, size)
	require.NoError(t, err)
	require.Equal(t, countTrue(hollow)+2, countTrue(filled))

	all := randomMask(27, 1, 1)
	filled, err = FillHoles(all, [3]int{3, 3, 3})
	require.NoError(t, err)
	require.Equal(t, all, filled)
}

func TestMorphologyRefuses(t *testing.T) {
	mask, size := make([]bool, 8), [3]int{2, 2, 2}
	_, err := Dilate(mask, size, Voxels, -1)
	require.ErrorContains(t, err, "radius -1")
	_, err = Erode(mask, size, Voxels, math.NaN())
	require.ErrorContains(t, err, "radius NaN")
	_, err = Erode(mask, size, [3]float64{1, 0, 1}, 1)
	require.ErrorContains(t, err, "voxel size 0")
	_, err = Distance(mask[1:], size, Voxels)
	require.ErrorContains(t, err, "7 voxels")
	_, err = FillHoles(mask[1:], size)
	require.ErrorContains(t, err, "7 voxels")
}

func TestDistanceIndependentOfThreads(t *testing.T) {
	defer par.SetThreads(par.Threads())
	size := [3]int{33, 17, 19}
	mask := randomMask(33*17*19, 0.003, 5)
	par.SetThreads(1)
	one, err := Distance(mask, size, [3]float64{0.3, 0.7, 1.9})
	require.NoError(t, err)
	par.SetThreads(5)
	five, err := Distance(mask, size, [3]float64{0.3, 0.7, 1.9})
	require.NoError(t, err)
	require.Equal(t, one, five)
}

func BenchmarkDistance(b *testing.B) {
	const n = 160
	mask := make([]bool, n*n*n)
	s := rng.New(1, "bench")
	for range 2000 {
		mask[s.Intn(len(mask))] = true
	}
	b.SetBytes(n * n * n)
	for b.Loop() {
		if _, err := Distance(mask, [3]int{n, n, n}, Voxels); err != nil {
			b.Fatal(err)
		}
	}
}
