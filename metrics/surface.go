package metrics

import "math"

// Surface holds the distances in mm between the complete masks, from voxel centre
// to voxel centre. All are NaN where pred is empty.
//
// The contour of a mask is its voxels with a face neighbour of a different value;
// nothing lies outside the image.
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

	// The voxel of a mask that is nearest to a point outside it is on its contour.
	s := &Surface{Hausdorff: max(
		largest(to(b, difference(truth, pred))),
		largest(to(a, difference(pred, truth))))}

	if truth.values == 2 {
		// A contour voxel has a face neighbour in the background: contour and rim are
		// the same.
		ab, ba := to(b, a), to(a, b)
		s.ContourMean = max(sum(ab)/float64(len(a)), sum(ba)/float64(len(b)))
		s.Average = averageOf([][]float64{ab, ba}, quirks)
		return s
	}
	rimA, rimB := rim(a, truth.size), rim(b, truth.size)
	s.ContourMean = max(
		sum(to(rimB, rimA))/float64(len(rimA)),
		sum(to(rimA, rimB))/float64(len(rimB)))
	var lists [][]float64
	as, bs := byLabel(a, truth), byLabel(b, pred)
	for l := range as {
		lists = append(lists, to(bs[l], as[l]), to(as[l], bs[l]))
	}
	s.Average = averageOf(lists, quirks)
	return s
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

// largest is 0 for an empty list.
func largest(x []float64) float64 {
	m := 0.0
	for _, v := range x {
		m = max(m, v)
	}
	return m
}
