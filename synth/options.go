package synth

import (
	"fmt"
	"math"
)

// Options say how pairs are drawn. The paper fixes what is done, not how often:
// every number here is this project's choice.
type Options struct {
	Kept         float64 `toml:"kept" comment:"probability that a lesion stays at both time points (choice)"`
	RemovedTime1 float64 `toml:"removed_time1" comment:"… that it is removed from time 1: a new lesion (choice)"`
	RemovedTime2 float64 `toml:"removed_time2" comment:"… from time 2: a lesion that vanishes (choice)"`
	RemovedBoth  float64 `toml:"removed_both" comment:"… from both (choice)"`

	GeneratedMin   int     `toml:"generated_min" comment:"fewest lesions put in (choice)"`
	GeneratedMax   int     `toml:"generated_max" comment:"most lesions put in; all numbers in between are equally likely (choice)"`
	GeneratedTime1 float64 `toml:"generated_time1" comment:"probability that such a lesion is at time 1 only (choice)"`
	GeneratedTime2 float64 `toml:"generated_time2" comment:"… at time 2 only: a new lesion (choice)"`
	GeneratedBoth  float64 `toml:"generated_both" comment:"… at both (choice)"`

	ErodeMM float64 `toml:"erode_mm" comment:"without a map of likely places, centres stay so far inside the brain mask, mm (choice)"`
	Tries   int     `toml:"tries" comment:"places tried for a lesion before it is given up (choice)"`

	ShapeMin  int  `toml:"shape_min_voxels" comment:"smallest lesion that lends its shape, voxels of 1 mm (choice)"`
	ShapeMax  int  `toml:"shape_max_voxels" comment:"largest (choice)"`
	TurnShape bool `toml:"turn_shape" comment:"put a shape into one of its 48 orientations at random (choice)"`

	Dilate int `toml:"dilate" comment:"voxels (26 neighbours) by which a lesion grows before it is painted over (choice)"`

	RegionsMin int `toml:"regions_min" comment:"training the inpainter: fewest lesion-like regions in a patch (choice)"`
	RegionsMax int `toml:"regions_max" comment:"most (choice)"`
}

// Defaults are the documented choices.
func Defaults() Options {
	return Options{
		Kept: 0.4, RemovedTime1: 0.3, RemovedTime2: 0.15, RemovedBoth: 0.15,
		GeneratedMin: 0, GeneratedMax: 3, GeneratedTime1: 0.15, GeneratedTime2: 0.55, GeneratedBoth: 0.3,
		ErodeMM: 5, Tries: 50,
		ShapeMin: 4, ShapeMax: 4000, TurnShape: true,
		Dilate:     1,
		RegionsMin: 1, RegionsMax: 4,
	}
}

// Check says what is wrong with the options, in words of the config file.
func (o Options) Check() error {
	for _, p := range []struct {
		names  string
		values []float64
	}{
		{"kept, removed_time1, removed_time2 and removed_both", []float64{o.Kept, o.RemovedTime1, o.RemovedTime2, o.RemovedBoth}},
		{"generated_time1, generated_time2 and generated_both", []float64{o.GeneratedTime1, o.GeneratedTime2, o.GeneratedBoth}},
	} {
		sum := 0.0
		for _, v := range p.values {
			if !(v >= 0 && v <= 1) {
				return fmt.Errorf("%s are probabilities: %g is not from 0 to 1", p.names, v)
			}
			sum += v
		}
		if math.Abs(sum-1) > 1e-6 {
			return fmt.Errorf("%s must add up to 1, not %.6g", p.names, sum)
		}
	}
	for _, r := range []struct {
		name        string
		low, lo, hi int
	}{
		{"generated", 0, o.GeneratedMin, o.GeneratedMax},
		{"regions", 1, o.RegionsMin, o.RegionsMax},
	} {
		if r.lo < r.low || r.hi < r.lo || r.hi > 1000 {
			return fmt.Errorf("%s_min %d and %s_max %d: want %d ≤ min ≤ max ≤ 1000", r.name, r.lo, r.name, r.hi, r.low)
		}
	}
	if o.ShapeMin < 1 || o.ShapeMax < o.ShapeMin {
		return fmt.Errorf("shape_min_voxels %d and shape_max_voxels %d: want 1 ≤ min ≤ max", o.ShapeMin, o.ShapeMax)
	}
	if !(o.ErodeMM >= 0 && o.ErodeMM <= 100) {
		return fmt.Errorf("erode_mm %g: must be from 0 to 100", o.ErodeMM)
	}
	if o.Tries < 1 {
		return fmt.Errorf("tries %d: must be at least 1", o.Tries)
	}
	if o.Dilate < 0 || o.Dilate > 1 {
		return fmt.Errorf("dilate %d: must be 0 or 1; more would paint over neighbouring lesions", o.Dilate)
	}
	return nil
}
