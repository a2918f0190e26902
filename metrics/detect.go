package metrics

import (
	"cmp"
	"slices"
)

// share is the part of a lesion that lies in lesion number other of the other
// mask.
type share struct{ other, voxels int }

// overlaps lists, for each lesion of either side, its shares by ascending number
// of the other lesion, zero ones left out.
type overlaps struct{ byTruth, byPred [][]share }

// countOverlaps fills the table and the lesions' Overlap. Lesions below the size
// limit are background.
func countOverlaps(truth, pred *lesionImage) overlaps {
	r, t := int32(len(truth.found)), int32(len(pred.found))
	count := map[[2]int32]int{}
	var pair [2]int32
	run := 0 // voxels of pair not yet in count: one access per run of voxels
	for x, i := range truth.labels {
		if i == 0 || i > r {
			continue
		}
		j := pred.labels[x]
		if j == 0 || j > t {
			continue
		}
		if at := [2]int32{i, j}; at != pair {
			count[pair] += run
			pair, run = at, 0
		}
		run++
	}
	count[pair] += run
	delete(count, [2]int32{}) // the start value

	out := overlaps{make([][]share, r), make([][]share, t)}
	for p, n := range count {
		i, j := int(p[0]), int(p[1])
		out.byTruth[i-1] = append(out.byTruth[i-1], share{j, n})
		out.byPred[j-1] = append(out.byPred[j-1], share{i, n})
		truth.found[i-1].Overlap += n
		pred.found[j-1].Overlap += n
	}
	for _, side := range [][][]share{out.byTruth, out.byPred} {
		for _, s := range side {
			slices.SortFunc(s, func(a, b share) int { return cmp.Compare(a.other, b.other) })
		}
	}
	return out
}

// judge sets Found of each lesion and returns how many are found. shares[n]
// belongs to lesions[n].
//
// A lesion is found if more than Alpha of it lies in other lesions, and none of
// the other lesions that make up the first Gamma of that overlap, largest share
// first, lies more than Beta outside all judged lesions. Shares of equal size keep the order of the
// other lesions' numbers.
func judge(lesions, others []Lesion, shares [][]share, o Options) int {
	// Of another lesion, what no judged lesion covers.
	bad := make([]bool, len(others))
	anyBad := false
	for j, l := range others {
		bad[j] = float64(l.Voxels-l.Overlap)/float64(l.Voxels) > o.Beta
		anyBad = anyBad || bad[j]
	}
	found := 0
	for n := range lesions {
		l := &lesions[n]
		l.Found = false
		if !(float64(l.Overlap)/float64(l.Voxels) > o.Alpha) {
			continue
		}
		order := slices.Clone(shares[n])
		slices.SortStableFunc(order, func(a, b share) int { return cmp.Compare(b.voxels, a.voxels) })
		sum := 0.0
		l.Found = true
		for _, s := range order {
			if sum >= o.Gamma {
				break
			}
			if bad[s.other-1] {
				l.Found = false
				break
			}
			sum += float64(s.voxels) / float64(l.Overlap)
		}
		// Where rounding leaves the sum of all shares below Gamma (Gamma is 1, or
		// nearly), the walk goes on to the lesions without any overlap.
		if sum < o.Gamma && anyBad {
			l.Found = false
		}
		if l.Found {
			found++
		}
	}
	return found
}
