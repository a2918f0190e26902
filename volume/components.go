package volume

import (
	"fmt"
	"math"
	"slices"
)

// Component is one connected component of a mask.
type Component struct {
	Label    int32      // its value in the label image; components are numbered 1, 2, …
	Voxels   int        // how many voxels it has
	First    int        // raster offset of its first voxel (i fastest, then j, then k)
	Min, Max [3]int     // bounding box in voxels, both ends inside
	Centroid [3]float64 // mean voxel indices
}

// Components finds the connected components of the true voxels of mask, which
// has size[0]·size[1]·size[2] elements, i fastest. Connectivity is 6 (voxels that
// share a face), 18 (a face or an edge) or 26 (a face, an edge or a corner).
//
// labels[x] is 0 where mask[x] is false and else the Label of the component;
// comps[n] has Label n+1. Components are ordered by decreasing number of voxels,
// equal ones by First.
//
// It joins runs of true voxels along i with those of the rows before (union-find
// with the smaller run as the root), so that its time is one pass over the mask
// plus a little per run.
func Components(mask []bool, size [3]int, connectivity int) (labels []int32, comps []Component, err error) {
	if err := checkMask(len(mask), size); err != nil {
		return nil, nil, fmt.Errorf("connected components: %w", err)
	}
	if connectivity != 6 && connectivity != 18 && connectivity != 26 {
		return nil, nil, fmt.Errorf("connected components: connectivity %d: it must be 6, 18 or 26", connectivity)
	}
	runs, rows := findRuns(mask, size)
	parent := joinRuns(runs, rows, size, connectivity)
	comps, ids := gather(runs, rows, parent, size)

	// Rank the components, then write each run's label. gather numbers them by
	// first voxel, so that one number holds the whole order.
	order := make([]uint64, len(comps))
	for n, c := range comps {
		order[n] = uint64(len(mask)-c.Voxels)<<32 | uint64(n)
	}
	slices.Sort(order)
	sorted := make([]Component, len(comps))
	rank := make([]int32, len(comps))
	for n, key := range order {
		id := uint32(key)
		rank[id] = int32(n) + 1
		sorted[n] = comps[id]
		sorted[n].Label = int32(n) + 1
	}
	labels = make([]int32, len(mask))
	for row := range len(rows) - 1 {
		base := row * size[0]
		for r := rows[row]; r < rows[row+1]; r++ {
			l := rank[ids[r]]
			for x := base + int(runs[r].lo); x < base+int(runs[r].hi); x++ {
				labels[x] = l
			}
		}
	}
	return labels, sorted, nil
}

// KeepLarger is a copy of mask without the components of fewer than minVoxels
// voxels.
func KeepLarger(mask []bool, size [3]int, connectivity, minVoxels int) ([]bool, error) {
	labels, comps, err := Components(mask, size, connectivity)
	if err != nil {
		return nil, err
	}
	// Components come by decreasing size, so that the kept labels are 1..kept.
	kept := int32(0)
	for kept < int32(len(comps)) && comps[kept].Voxels >= minVoxels {
		kept++
	}
	out := make([]bool, len(mask))
	for x, l := range labels {
		out[x] = l > 0 && l <= kept
	}
	return out, nil
}

// checkMask is what is wrong with n voxels as a mask of that size, if anything.
func checkMask(n int, size [3]int) error {
	if size[0] < 1 || size[1] < 1 || size[2] < 1 {
		return fmt.Errorf("size %s: every side must be at least 1", times(size))
	}
	if n != size[0]*size[1]*size[2] {
		return fmt.Errorf("a mask of %d voxels does not have the size %s", n, times(size))
	}
	if n > math.MaxInt32 {
		return fmt.Errorf("a mask of %d voxels: more than %d are not supported", n, math.MaxInt32)
	}
	return nil
}

// run is voxels lo ≤ i < hi of one row.
type run struct{ lo, hi int32 }

// findRuns lists the runs of true voxels in raster order; those of row
// k·size[1]+j are runs[rows[row]:rows[row+1]].
func findRuns(mask []bool, size [3]int) (runs []run, rows []int) {
	n := size[1] * size[2]
	rows = make([]int, n+1)
	for row := range n {
		line := mask[row*size[0] : (row+1)*size[0]]
		for i := 0; i < len(line); i++ {
			if !line[i] {
				continue
			}
			lo := i
			for i < len(line) && line[i] {
				i++
			}
			runs = append(runs, run{int32(lo), int32(i)})
		}
		rows[row+1] = len(runs)
	}
	return runs, rows
}

// joinRuns is the union-find forest of touching runs: parent[r] ≤ r, and a root
// is its own parent.
func joinRuns(runs []run, rows []int, size [3]int, connectivity int) []int32 {
	parent := make([]int32, len(runs))
	for r := range parent {
		parent[r] = int32(r)
	}
	// Two rows touch where their runs, one of them widened by reach, overlap.
	join := func(a, b int, reach int32) {
		p, q := rows[a], rows[b]
		for p < rows[a+1] && q < rows[b+1] {
			switch {
			case runs[p].hi+reach <= runs[q].lo:
				p++
			case runs[q].hi+reach <= runs[p].lo:
				q++
			default:
				union(parent, int32(p), int32(q))
				if runs[p].hi < runs[q].hi {
					p++
				} else {
					q++
				}
			}
		}
	}
	straight, diagonal := int32(0), int32(-1) // -1: not neighbours at all
	switch connectivity {
	case 18:
		straight, diagonal = 1, 0
	case 26:
		straight, diagonal = 1, 1
	}
	for k := range size[2] {
		for j := range size[1] {
			row := k*size[1] + j
			if rows[row] == rows[row+1] {
				continue
			}
			if j > 0 {
				join(row, row-1, straight)
			}
			if k == 0 {
				continue
			}
			below := row - size[1]
			join(row, below, straight)
			if diagonal >= 0 && j > 0 {
				join(row, below-1, diagonal)
			}
			if diagonal >= 0 && j < size[1]-1 {
				join(row, below+1, diagonal)
			}
		}
	}
	return parent
}

func union(parent []int32, a, b int32) {
	a, b = root(parent, a), root(parent, b)
	if a < b {
		parent[b] = a
	} else {
		parent[a] = b
	}
}

// root halves the path on its way up.
func root(parent []int32, a int32) int32 {
	for parent[a] != a {
		parent[a] = parent[parent[a]]
		a = parent[a]
	}
	return a
}

// gather measures every component, in the order of first voxels, and says which
// one each run belongs to.
func gather(runs []run, rows []int, parent []int32, size [3]int) (comps []Component, ids []int32) {
	ids = make([]int32, len(runs))
	for row := range len(rows) - 1 {
		j, k := row%size[1], row/size[1]
		for r := rows[row]; r < rows[row+1]; r++ {
			lo, hi := int(runs[r].lo), int(runs[r].hi)
			id := int32(len(comps))
			if top := root(parent, int32(r)); top < int32(r) {
				id = ids[top]
			} else {
				at := [3]int{lo, j, k}
				comps = append(comps, Component{First: row*size[0] + lo, Min: at, Max: at})
			}
			ids[r] = id
			c := &comps[id]
			n := hi - lo
			c.Voxels += n
			for d, ends := range [3][2]int{{lo, hi - 1}, {j, j}, {k, k}} {
				c.Min[d] = min(c.Min[d], ends[0])
				c.Max[d] = max(c.Max[d], ends[1])
				// Sums of indices are whole numbers below 2^53: exact.
				c.Centroid[d] += float64(ends[0]+ends[1]) / 2 * float64(n)
			}
		}
	}
	for c := range comps {
		for d := range 3 {
			comps[c].Centroid[d] /= float64(comps[c].Voxels)
		}
	}
	return comps, ids
}
