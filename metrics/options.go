package metrics

import (
	"fmt"
	"math"
)

// Groups is a set of measures to compute.
type Groups uint8

const (
	VoxelGroup   Groups = 1 << iota // overlap of voxels: Dice and the like
	SurfaceGroup                    // distances; they take most of the time
	LesionGroup                     // detection of lesions
	AllGroups    = VoxelGroup | SurfaceGroup | LesionGroup
)

// Options are the parameters of Evaluate. Start from DefaultOptions.
type Options struct {
	// Groups to compute; 0 means all. Without effect where the truth is empty.
	Groups Groups

	// MinLesionMM3: connected components of this volume or less are ignored, in
	// both masks, by the lesion measures (only by them). Where the truth is empty
	// the limit is always 3 mm³, as in the challenge's tool. At least 0.
	MinLesionMM3 float64

	// Alpha: a lesion can be detected only if more than this fraction of it lies
	// in lesions of the other mask. In (0, 1].
	Alpha float64

	// Beta: a lesion of the other mask with more than this fraction of itself
	// outside all lesions speaks against detection. In (0, 1].
	Beta float64

	// Gamma: the lesions of the other mask are looked at, largest overlap first,
	// until they make up this fraction of the overlap. In (0, 1].
	Gamma float64

	// AnimaQuirks makes average_surface_distance what the challenge's tool prints
	// under SurfaceDistance: a running minimum that is nearly always close to 0. Use
	// it only to compare with the tool.
	AnimaQuirks bool
}

// DefaultOptions are all measures with the thresholds of the challenge:
// 3 mm³, 10 %, 70 %, 65 %.
func DefaultOptions() Options {
	return Options{Groups: AllGroups, MinLesionMM3: 3, Alpha: 0.10, Beta: 0.70, Gamma: 0.65}
}

// Validate says which value is out of range, if any.
func (o Options) Validate() error {
	if o.Groups&^AllGroups != 0 {
		return fmt.Errorf("metrics: unknown group in Groups %#b", o.Groups)
	}
	if !(o.MinLesionMM3 >= 0) || math.IsInf(o.MinLesionMM3, 1) {
		return fmt.Errorf("metrics: smallest lesion volume %v mm³: it must be 0 or more", o.MinLesionMM3)
	}
	for _, p := range []struct {
		name  string
		value float64
	}{{"alpha", o.Alpha}, {"beta", o.Beta}, {"gamma", o.Gamma}} {
		if !(p.value > 0 && p.value <= 1) {
			return fmt.Errorf("metrics: %s is %v: it must be above 0 and at most 1", p.name, p.value)
		}
	}
	return nil
}

func (o Options) wants(g Groups) bool { return o.Groups == 0 || o.Groups&g != 0 }
