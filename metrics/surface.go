package metrics

import (
	"math"
)

// Surface holds the distances in mm between the complete masks, from voxel centre
// to voxel centre. All are NaN where pred is empty.
//
// The contour of a mask is its voxels with a face neighbour of a different value;
// nothing is outside the image.
type Surface struct {
	// Hausdorff is the largest distance from a voxel of one mask to the nearest
	// voxel of the other.
	Hausdorff float64

	// ContourMean is the larger of the two mean distances from the rim of one
	// contour to the rim of the other. The rim is the voxels with one of their 26
	// neighbours not in the contour: all of it, if there is only one label.
	ContourMean float64

	// Average is the mean distance from the voxels of both contours to the nearest
	// voxel of the other contour: the average symmetric surface distance. With
	// several labels, each label's contour is measured against the same label's.
	// With AnimaQuirks each voxel, in raster order, counts instead with the smallest
	// distance so far from its contour: the tool's SurfaceDistance.
	Average float64
}

func surfaceMeasures(truth, pred *labelled, spacing [3]float64, quirks bool) *Surface {
	if pred.empty() {
		return &Surface{math.NaN(), math.NaN(), math.NaN()}
	}
	to := func(sites, queries []int32) []float64 { return nearest(sites, queries, truth.size, spacing) }
	a, b := contour(truth), contour(pred)

	if truth.values == 2 {
		// A contour voxel has a face neighbour in the background: contour and rim are
		// the same, and one transform a side gives everything.
		ab, farA := fromMask(truth, pred, a, b, to)
		ba, farB := fromMask(pred, truth, b, a, to)
		return &Surface{
			Hausdorff:   max(farA, farB),
			ContourMean: max(mean(ab), mean(ba)),
			Average:     averageOf([][]float64{ab, ba}, quirks),
		}
	}
	rimA, rimB := rim(a, truth.size), rim(b, truth.size)
	s := &Surface{
		Hausdorff: max(
			largest(to(b, difference(truth, pred))),
			largest(to(a, difference(pred, truth)))),
		ContourMean: max(mean(to(rimB, rimA)), mean(to(rimA, rimB))),
	}
	var lists [][]float64
	as, bs := byLabel(a, truth), byLabel(b, pred)
	for l := range as {
		lists = append(lists, to(bs[l], as[l]), to(as[l], bs[l]))
	}
	s.Average = averageOf(lists, quirks)
	return s
}

// fromMask returns the distances from the voxels of a's contour to b's, in raster
// order, and the largest distance from a voxel of a to b. The voxel of b that is
// nearest to a point outside b is on its contour.
func fromMask(a, b *labelled, contourA, contourB []int32, to func(sites, queries []int32) []float64) (contour []float64, farthest float64) {
	queries := union(contourA, difference(a, b))
	contour = make([]float64, 0, len(contourA))
	distances := to(contourB, queries)
	for n, x := range queries {
		d := distances[n]
		if b.labels[x] == 0 {
			farthest = max(farthest, d)
		}
		if c := len(contour); c < len(contourA) && contourA[c] == x {
			contour = append(contour, d)
		}
	}
	return contour, farthest
}

// averageOf is the mean of all lists together; with quirks, of their running
// minima, which start at 10⁶.
func averageOf(lists [][]float64, quirks bool) float64 {
	total, n := 0.0, 0
	for _, l := range lists {
		n += len(l)
		if !quirks {
			total += sum(l)
			continue
		}
		least := 1e6
		for _, d := range l {
			least = min(least, d)
			total += least
		}
	}
	return total / float64(n)
}

func sum(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s
}

func mean(x []float64) float64 { return sum(x) / float64(len(x)) }

// largest is 0 for an empty list.
func largest(x []float64) float64 {
	m := 0.0
	for _, v := range x {
		m = max(m, v)
	}
	return m
}

// contour lists, in raster order, the voxels of m with at least one face
// neighbour of a different value. Outside the image there are no neighbours.
func contour(m *labelled) []int32 {
	nx, ny, nz := m.size[0], m.size[1], m.size[2]
	l := m.labels
	var out []int32
	x := 0
	for k := range nz {
		for j := range ny {
			for i := range nx {
				v := l[x]
				if v != 0 && (i > 0 && l[x-1] != v || i < nx-1 && l[x+1] != v ||
					j > 0 && l[x-nx] != v || j < ny-1 && l[x+nx] != v ||
					k > 0 && l[x-nx*ny] != v || k < nz-1 && l[x+nx*ny] != v) {
					out = append(out, int32(x))
				}
				x++
			}
		}
	}
	return out
}

// rim lists the voxels of a set (raster offsets, ascending) with at least one of
// their 26 neighbours not in it.
func rim(set []int32, size [3]int) []int32 {
	member := make([]bool, size[0]*size[1]*size[2])
	for _, x := range set {
		member[x] = true
	}
	var out []int32
	for _, x := range set {
		if hasStranger(member, int(x), size) {
			out = append(out, x)
		}
	}
	return out
}

// hasStranger reports whether a neighbour of voxel x, by face, edge or corner, is no
// member.
func hasStranger(member []bool, x int, size [3]int) bool {
	i, j, k := place(x, size)
	for c := max(k-1, 0); c <= min(k+1, size[2]-1); c++ {
		for b := max(j-1, 0); b <= min(j+1, size[1]-1); b++ {
			row := (c*size[1] + b) * size[0]
			for a := max(i-1, 0); a <= min(i+1, size[0]-1); a++ {
				if !member[row+a] {
					return true
				}
			}
		}
	}
	return false
}

// byLabel sorts a contour's voxels into lists for labels 1, 2, …, in raster order
// each.
func byLabel(contour []int32, m *labelled) [][]int32 {
	out := make([][]int32, m.values-1)
	for _, x := range contour {
		l := m.labels[x] - 1
		out[l] = append(out[l], x)
	}
	return out
}

// difference lists the voxels of a that are background in b.
func difference(a, b *labelled) []int32 {
	var out []int32
	for x, l := range a.labels {
		if l != 0 && b.labels[x] == 0 {
			out = append(out, int32(x))
		}
	}
	return out
}

// union merges two ascending lists, each voxel once.
func union(a, b []int32) []int32 {
	out := make([]int32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			out, a = append(out, a[0]), a[1:]
		case a[0] > b[0]:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}
