package synth

import "voxgrad/volume"

// Origins of lesions.
const (
	Real      = "real"      // of the image's own mask
	Generated = "generated" // put in
)

// Lesion is one lesion of a pair, or of its source.
type Lesion struct {
	Number int    `json:"number"` // 1, 2, … : real ones by decreasing size, then generated ones in the order of drawing
	Origin string `json:"origin"` // Real or Generated

	Time1 bool `json:"present_time01"`
	Time2 bool `json:"present_time02"`
	New   bool `json:"new"` // at time 2 and not at time 1

	Voxels        int         `json:"voxels"`
	MM3           float64     `json:"mm3"`
	CentroidVoxel [3]float64  `json:"centroid_voxel"` // mean voxel position
	CentroidMM    *[3]float64 `json:"centroid_mm"`    // the same in NIfTI's world; null where the patch has no place there

	ShapeOf string `json:"shape_of,omitempty"` // case that lent a generated lesion its shape
}

// Dropped is a lesion that was to be generated and was not, or that the grid of
// the scan cannot show.
type Dropped struct {
	Reason string `json:"reason"`
	Voxels int    `json:"voxels"` // of its shape; 0 where there was none
}

// Record says what was done to make a pair.
type Record struct {
	Lesions []Lesion  `json:"lesions"`
	Dropped []Dropped `json:"dropped"`
}

// Count is the number of lesions that satisfy f.
func (r Record) Count(f func(l Lesion) bool) int {
	n := 0
	for _, l := range r.Lesions {
		if f(l) {
			n++
		}
	}
	return n
}

// measure fills in size and place of a lesion on a grid of 1 mm voxels.
func (l *Lesion) measure(list []int32, size [3]int, affine *volume.Affine) {
	l.Voxels, l.MM3 = len(list), float64(len(list))
	var sum [3]float64
	for _, i := range list {
		for a, x := range unindex(int(i), size) {
			sum[a] += float64(x)
		}
	}
	for a := range sum {
		l.CentroidVoxel[a] = sum[a] / float64(len(list))
	}
	if affine != nil {
		mm := affine.Apply(l.CentroidVoxel)
		l.CentroidMM = &mm
	}
}
