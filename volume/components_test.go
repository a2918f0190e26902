package volume

import (
	"fmt"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"voxgrad/internal/rng"
)

// componentsByFlood is the definition: flood fill from every voxel in raster
// order, then a sort.
func componentsByFlood(mask []bool, size [3]int, connectivity int) ([]int32, []Component) {
	var steps [][3]int
	reach := map[int]int{6: 1, 18: 2, 26: 3}[connectivity]
	for dk := -1; dk <= 1; dk++ {
		for dj := -1; dj <= 1; dj++ {
			for di := -1; di <= 1; di++ {
				if d := di*di + dj*dj + dk*dk; d > 0 && d <= reach {
					steps = append(steps, [3]int{di, dj, dk})
				}
			}
		}
	}
	g := Grid{Size: size}
	raw := make([]int, len(mask))
	var comps []Component
	for start := range mask {
		if !mask[start] || raw[start] != 0 {
			continue
		}
		id := len(comps) + 1
		c := Component{First: start, Min: size}
		for d := range 3 {
			c.Max[d] = -1
		}
		todo := []int{start}
		raw[start] = id
		for len(todo) > 0 {
			x := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			p := [3]int{x % size[0], x / size[0] % size[1], x / size[0] / size[1]}
			c.Voxels++
			for d := range 3 {
				c.Min[d], c.Max[d] = min(c.Min[d], p[d]), max(c.Max[d], p[d])
				c.Centroid[d] += float64(p[d])
			}
			for _, s := range steps {
				i, j, k := p[0]+s[0], p[1]+s[1], p[2]+s[2]
				if i < 0 || j < 0 || k < 0 || i >= size[0] || j >= size[1] || k >= size[2] {
					continue
				}
				if y := g.Index(i, j, k); mask[y] && raw[y] == 0 {
					raw[y] = id
					todo = append(todo, y)
				}
			}
		}
		for d := range 3 {
			c.Centroid[d] /= float64(c.Voxels)
		}
		c.Label = int32(id)
		comps = append(comps, c)
	}
	sort.SliceStable(comps, func(a, b int) bool { return comps[a].Voxels > comps[b].Voxels })
	rank := make([]int32, len(comps)+1)
	for n := range comps {
		rank[comps[n].Label] = int32(n + 1)
		comps[n].Label = int32(n + 1)
	}
	labels := make([]int32, len(mask))
	for x, id := range raw {
		labels[x] = rank[id]
	}
	return labels, comps
}

func randomMask(n int, density float64, seed uint64) []bool {
	s := rng.New(seed, "mask")
	mask := make([]bool, n)
	for x := range mask {
		mask[x] = s.Bool(density)
	}
	return mask
}

func TestComponentsAgainstFloodFill(t *testing.T) {
	sizes := [][3]int{{1, 1, 1}, {7, 1, 1}, {1, 9, 1}, {1, 1, 8}, {5, 6, 1}, {1, 7, 5}, {6, 1, 7}, {9, 8, 7}, {17, 13, 11}}
	for _, size := range sizes {
		for _, connectivity := range []int{6, 18, 26} {
			for n, density := range []float64{0, 0.05, 0.15, 0.3, 0.5, 0.8, 1} {
				mask := randomMask(size[0]*size[1]*size[2], density, uint64(n))
				labels, comps, err := Components(mask, size, connectivity)
				require.NoError(t, err)
				wantLabels, want := componentsByFlood(mask, size, connectivity)
				require.Equal(t, wantLabels, labels, "%v %d %g", size, connectivity, density)
				require.Len(t, comps, len(want))
				for c := range want {
					require.InDeltaSlice(t, want[c].Centroid[:], comps[c].Centroid[:], 1e-12)
					want[c].Centroid = comps[c].Centroid
					require.Equal(t, want[c], comps[c])
				}
			}
		}
	}
}

func TestComponentsByConnectivity(t *testing.T) {
	// Three voxels: the second touches the first by an edge, the third the second
	// by a corner.
	size := [3]int{3, 3, 2}
	g := Grid{Size: size}
	mask := make([]bool, g.Len())
	mask[g.Index(0, 0, 0)] = true
	mask[g.Index(1, 1, 0)] = true
	mask[g.Index(2, 2, 1)] = true
	for connectivity, want := range map[int]int{6: 3, 18: 2, 26: 1} {
		_, comps, err := Components(mask, size, connectivity)
		require.NoError(t, err)
		require.Len(t, comps, want, "connectivity %d", connectivity)
	}
}

func TestComponentsOrder(t *testing.T) {
	// Sizes 1, 2, 1, 3 along one line: by size, then by first voxel.
	mask := []bool{true, false, true, true, false, true, false, true, true, true}
	labels, comps, err := Components(mask, [3]int{10, 1, 1}, 6)
	require.NoError(t, err)
	require.Equal(t, []int32{3, 0, 2, 2, 0, 4, 0, 1, 1, 1}, labels)
	require.Equal(t, []int{7, 2, 0, 5}, []int{comps[0].First, comps[1].First, comps[2].First, comps[3].First})
	require.Equal(t, [3]float64{8, 0, 0}, comps[0].Centroid)
}

func TestComponentsRefuses(t *testing.T) {
	_, _, err := Components(make([]bool, 8), [3]int{2, 2, 2}, 8)
	require.ErrorContains(t, err, "must be 6, 18 or 26")
	_, _, err = Components(make([]bool, 7), [3]int{2, 2, 2}, 6)
	require.ErrorContains(t, err, "7 voxels")
	_, _, err = Components(nil, [3]int{0, 2, 2}, 6)
	require.ErrorContains(t, err, "at least 1")
	_, _, err = Components(make([]bool, 4), [3]int{-2, -2, 1}, 6)
	require.ErrorContains(t, err, "at least 1")
}

func TestKeepLarger(t *testing.T) {
	mask := []bool{true, false, true, true, false, true, false, true, true, true}
	out, err := KeepLarger(mask, [3]int{10, 1, 1}, 6, 2)
	require.NoError(t, err)
	require.Equal(t, []bool{false, false, true, true, false, false, false, true, true, true}, out)
	out, err = KeepLarger(mask, [3]int{10, 1, 1}, 6, 4)
	require.NoError(t, err)
	require.NotContains(t, out, true)
	_, err = KeepLarger(mask, [3]int{10, 1, 2}, 6, 4)
	require.Error(t, err)
}

func BenchmarkComponents(b *testing.B) {
	const n = 256
	size := [3]int{n, n, n}
	for _, density := range []float64{0.001, 0.3} {
		mask := randomMask(n*n*n, density, 1)
		for _, connectivity := range []int{6, 26} {
			b.Run(fmt.Sprintf("size=256/density=%g/connectivity=%d", density, connectivity), func(b *testing.B) {
				b.SetBytes(n * n * n)
				for b.Loop() {
					if _, _, err := Components(mask, size, connectivity); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
