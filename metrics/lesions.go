package metrics

import (
	"fmt"
	"math"

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

// minVoxels is the number of voxels from which on a component is a lesion:
// ⌊limit / voxel volume⌋ + 1, in double precision, so that a component of exactly
// the limit is none.
func minVoxels(limitMM3 float64, spacing [3]float64) float64 {
	return math.Floor(limitMM3/voxelVolume(spacing)) + 1
}

func voxelVolume(spacing [3]float64) float64 { return spacing[0] * spacing[1] * spacing[2] }

// findLesions lists the lesions of m of at least least voxels.
func findLesions(m *labelled, v *volume.Volume, spacing [3]float64, least float64) (*lesionImage, error) {
	labels, comps, err := volume.Components(m.foreground(), m.size, 6)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.Name(), err)
	}
	if len(comps) > maxComponents {
		return nil, fmt.Errorf("%s: %d connected components; lesion measures are defined for at most %d: is this a lesion mask?",
			v.Name(), len(comps), maxComponents)
	}
	out := &lesionImage{labels: labels}
	for n, c := range comps {
		if float64(c.Voxels) < least {
			break // they come by decreasing size
		}
		l := Lesion{Number: n + 1, Voxels: c.Voxels, Centroid: c.Centroid,
			VolumeMM3: float64(c.Voxels) * voxelVolume(spacing)}
		for r, row := range v.Affine {
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
