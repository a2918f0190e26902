package metrics

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"voxgrad/volume"
)

// maxComponents is the most connected components a mask may have: labels are
// 16-bit in the challenge's tool.
const maxComponents = math.MaxUint16

// Lesion is one connected component (voxels that share a face) above the size
// limit.
type Lesion struct {
	Number    int        `json:"number"`         // 1, 2, … by decreasing size, then by first voxel in raster order
	Voxels    int        `json:"voxels"`         //
	VolumeMM3 float64    `json:"volume_mm3"`     //
	Centroid  [3]float64 `json:"centroid_voxel"` // mean voxel indices
	World     [3]float64 `json:"centroid_mm"`    // the same in NIfTI's world: x to the right, y to the front, z up
	Overlap   int        `json:"overlap_voxels"` // voxels inside lesions of the other mask

	// Found: for a lesion of the truth, it was detected; for one of pred, it is a
	// true positive.
	Found bool `json:"found"`
}

// LesionScores holds the measures that count lesions.
type LesionScores struct {
	Sensitivity float64 // detected lesions of the truth / its lesions; NaN where it has none above the limit
	PPV         float64 // true positives / lesions of pred; 0 where it has none
	F1          float64 // 2·PPV·Sensitivity / (PPV + Sensitivity); 0 where that is undefined
}

// Tested is what is measured where the truth is empty: false alarms.
type Tested struct {
	Lesions   int     // lesions of pred above 3 mm³
	VolumeMM3 float64 // their volume
}

// lesionImage is a mask's lesions, in order, and where they are.
type lesionImage struct {
	labels []int32 // 0 outside; n in the n-th component; above len(lesions) in one that is too small
	found  []Lesion
}

// LesionVoxels is the number of voxels from which on a component is a lesion:
// ⌊limit / voxel volume⌋ + 1, in double precision, so that a component of exactly
// the limit is none. A side of a voxel that is within a millionth (of itself, and of a millimetre)
// of a number with at most five decimals is taken for that number as a header holds
// it, a 32-bit float: three voxels of 1.0000001 mm, or of a rotated grid of 1 mm, are
// not above 3 mm³.
func LesionVoxels(limitMM3 float64, spacing [3]float64) float64 {
	for d, s := range spacing {
		if nominal := math.Round(s*1e5) / 1e5; nominal > 0 && math.Abs(s-nominal) <= 1e-6*min(1, nominal) {
			spacing[d] = float64(float32(nominal))
		}
	}
	return math.Floor(limitMM3/voxelVolume(spacing)) + 1
}

func voxelVolume(spacing [3]float64) float64 { return spacing[0] * spacing[1] * spacing[2] }

// findLesions lists the lesions of m of at least least voxels.
func findLesions(m *labelled, spacing [3]float64, least float64) (*lesionImage, error) {
	labels, comps, err := volume.Components(m.foreground(), m.size, 6)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.image.Name(), err)
	}
	if len(comps) > maxComponents {
		return nil, fmt.Errorf("%s: %d connected components; lesion measures are defined for at most %d: is this a lesion mask?",
			m.image.Name(), len(comps), maxComponents)
	}
	out := &lesionImage{labels: labels}
	for n, c := range comps {
		if float64(c.Voxels) < least {
			break // they come by decreasing size
		}
		l := Lesion{Number: n + 1, Voxels: c.Voxels, Centroid: c.Centroid,
			VolumeMM3: float64(c.Voxels) * voxelVolume(spacing)}
		for r, row := range m.image.Affine {
			l.World[r] = row[0]*c.Centroid[0] + row[1]*c.Centroid[1] + row[2]*c.Centroid[2] + row[3]
		}
		out.found = append(out.found, l)
	}
	return out, nil
}

// lesionMeasures judges the lesions of both masks, sets their Found and Overlap
// and counts.
func lesionMeasures(truth, pred *lesionImage, o Options) *LesionScores {
	table := countOverlaps(truth, pred)
	detected := judge(truth.found, pred.found, table.byTruth, o)
	positive := judge(pred.found, truth.found, table.byPred, o)
	s := &LesionScores{Sensitivity: ratio(detected, len(truth.found))}
	if len(pred.found) > 0 {
		s.PPV = ratio(positive, len(pred.found))
	}
	if sum := s.PPV + s.Sensitivity; sum > 0 {
		s.F1 = 2 * s.PPV * s.Sensitivity / sum
	}
	return s
}

func ratio(a, b int) float64 { return float64(a) / float64(b) }

// share is the part of a lesion that is in lesion number other of the other
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
// A lesion is found if more than Alpha of it is in other lesions, and none of
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
