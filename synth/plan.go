package synth

import (
	"fmt"
	"math"
	"slices"

	"voxgrad/augment"
	"voxgrad/internal/settings"
	"voxgrad/volume"
)

// Plan is every decision about one pair.
type Plan struct {
	Size   [3]int
	Record Record

	// Keys of the noise that regions are filled with. One serves both time points: where a
	// voxel is filled at both, both networks start from the same number.
	RemoveKey, GenerateKey uint64

	lesions [][]int32 // voxels of each lesion of the record, in ascending order
	remove  [2][]bool // voxels that the inpainter fills; nil: none
	put     [2][]bool // voxels that the generator fills; nil: none
	base    []bool    // voxels whose mean and standard deviation the noise has: brain without lesions and what is filled
}

// Plan draws a pair. From s come, in this order: the two keys of the noise; for
// each lesion, largest first, where it stays; the number of lesions to generate;
// for each of them where it is present, its shape, orientation and place. Errors
// are for arrays that do not fit the patch and for options that make no sense.
func (o Options) Plan(s *augment.Stream, p Patch, lib *Library) (*Plan, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	pl := &Plan{Size: p.Size, RemoveKey: s.Uint64(), GenerateKey: s.Uint64(), Record: Record{Lesions: []Lesion{}, Dropped: []Dropped{}}}
	b := p.board()
	for _, list := range p.lesions() {
		l := Lesion{Origin: Real}
		switch pick(s, o.Kept, o.RemovedTime1, o.RemovedTime2, o.RemovedBoth) {
		case 0:
			l.Time1, l.Time2 = true, true
		case 1:
			l.Time2 = true
		case 2:
			l.Time1 = true
		}
		pl.add(p, l, list)
		b.block(list)
	}
	if err := o.generate(pl, s, p, lib, b); err != nil {
		return nil, err
	}
	pl.mark(p, o.Dilate)
	return pl, nil
}

// generate draws the lesions that are put in.
func (o Options) generate(pl *Plan, s *augment.Stream, p Patch, lib *Library, b *board) error {
	n := o.GeneratedMin + s.Intn(o.GeneratedMax-o.GeneratedMin+1)
	if n == 0 {
		return nil
	}
	where, err := p.places(o.ErodeMM)
	if err != nil {
		return err
	}
	for range n {
		l := Lesion{Origin: Generated}
		switch pick(s, o.GeneratedTime1, o.GeneratedTime2, o.GeneratedBoth) {
		case 0:
			l.Time1 = true
		case 1:
			l.Time2 = true
		case 2:
			l.Time1, l.Time2 = true, true
		}
		shape, ok := lib.Draw(s, p.Case, o.TurnShape)
		if !ok {
			pl.Record.Dropped = append(pl.Record.Dropped, Dropped{Reason: "no shape of another case"})
			continue
		}
		if len(where.at) == 0 {
			pl.Record.Dropped = append(pl.Record.Dropped, Dropped{Reason: "no place in the patch is likely", Voxels: len(shape.Voxels)})
			continue
		}
		list := b.try(s, shape, where, o.Tries)
		if list == nil {
			pl.Record.Dropped = append(pl.Record.Dropped, Dropped{Reason: "no free place found", Voxels: len(shape.Voxels)})
			continue
		}
		l.ShapeOf = shape.Case
		pl.add(p, l, list)
		b.block(list)
	}
	return nil
}

// add appends a lesion to the record.
func (pl *Plan) add(p Patch, l Lesion, list []int32) {
	l.Number = len(pl.lesions) + 1
	l.New = l.Time2 && !l.Time1
	l.measure(list, p.Size, p.Affine)
	pl.Record.Lesions = append(pl.Record.Lesions, l)
	pl.lesions = append(pl.lesions, list)
}

// mark makes the masks of what is filled.
func (pl *Plan) mark(p Patch, dilate int) {
	pl.base = slices.Clone(p.Brain)
	for n, list := range pl.lesions {
		for _, i := range list {
			pl.base[i] = false
		}
		l := pl.Record.Lesions[n]
		for t, present := range [2]bool{l.Time1, l.Time2} {
			switch {
			case l.Origin == Real && !present:
				if pl.remove[t] == nil {
					pl.remove[t] = make([]bool, len(p.Brain))
				}
				grow(list, p.Size, dilate, func(i int) {
					if p.Brain[i] {
						pl.remove[t][i], pl.base[i] = true, false
					}
				})
			case l.Origin == Generated && present:
				if pl.put[t] == nil {
					pl.put[t] = make([]bool, len(p.Brain))
				}
				for _, i := range list {
					pl.put[t][i] = true
				}
			}
		}
	}
}

// Lesions is the lesion mask of a time point, 0 or 1.
func (pl *Plan) Lesions(time int) []bool {
	return pl.mask(func(l Lesion) bool { return time == 0 && l.Time1 || time == 1 && l.Time2 })
}

// NewLesions is the mask of the lesions that are at time 2 and not at time 1.
func (pl *Plan) NewLesions() []bool { return pl.mask(func(l Lesion) bool { return l.New }) }

// Filled is the mask of the voxels of a time point, 0 or 1, that a network
// fills; all others keep their values.
func (pl *Plan) Filled(time int) []bool {
	out := make([]bool, len(pl.base))
	for _, m := range [][]bool{pl.remove[time], pl.put[time]} {
		for i, v := range m {
			out[i] = out[i] || v
		}
	}
	return out
}

func (pl *Plan) mask(in func(l Lesion) bool) []bool {
	out := make([]bool, len(pl.base))
	for n, l := range pl.Record.Lesions {
		if !in(l) {
			continue
		}
		for _, i := range pl.lesions[n] {
			out[i] = true
		}
	}
	return out
}

// pick is the number of one of several outcomes with these probabilities.
func pick(s *augment.Stream, p ...float64) int {
	u := s.Float64()
	for n, v := range p[:len(p)-1] {
		if u < v {
			return n
		}
		u -= v
	}
	return len(p) - 1
}

func sortIndices(list []int32) { slices.Sort(list) }

// Options state how pairs are drawn. The paper fixes what is done, not how often:
// every number here is this project's choice.
type Options struct {
	Kept         float64 `toml:"kept" comment:"probability that a lesion stays at both time points (choice)"`
	RemovedTime1 float64 `toml:"removed_time1" comment:"probability that a lesion is removed from time 1: a new lesion (choice)"`
	RemovedTime2 float64 `toml:"removed_time2" comment:"probability that a lesion is removed from time 2: it vanishes (choice)"`
	RemovedBoth  float64 `toml:"removed_both" comment:"probability that a lesion is removed from both time points (choice)"`

	GeneratedMin   int     `toml:"generated_min" comment:"fewest lesions put in (choice)"`
	GeneratedMax   int     `toml:"generated_max" comment:"most lesions put in; all numbers in between are equally likely (choice)"`
	GeneratedTime1 float64 `toml:"generated_time1" comment:"probability that a lesion put in is at time 1 only (choice)"`
	GeneratedTime2 float64 `toml:"generated_time2" comment:"probability that a lesion put in is at time 2 only: a new lesion (choice)"`
	GeneratedBoth  float64 `toml:"generated_both" comment:"probability that a lesion put in is at both time points (choice)"`

	ErodeMM float64 `toml:"erode_mm" comment:"without a map of likely places, centres stay so far inside the brain mask, mm (choice)"`
	Tries   int     `toml:"tries" comment:"places tried for a lesion before it is given up (choice)"`

	ShapeMin  int  `toml:"shape_min_voxels" comment:"smallest lesion whose shape is used, voxels of 1 mm (choice)"`
	ShapeMax  int  `toml:"shape_max_voxels" comment:"largest lesion whose shape is used, voxels of 1 mm (choice)"`
	TurnShape bool `toml:"turn_shape" comment:"put a shape into one of its 48 orientations at random (choice)"`

	Dilate int `toml:"dilate" comment:"voxels (26 neighbours) by which a lesion grows before it is filled (choice)"`

	RegionsMin int `toml:"regions_min" comment:"training the inpainter: fewest lesion-like regions in a patch (choice)"`
	RegionsMax int `toml:"regions_max" comment:"training the inpainter: most lesion-like regions in a patch (choice)"`
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

// Check reports what is wrong with the options, in words of the config file.
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
	if o.ShapeMin < 1 || o.ShapeMax < o.ShapeMin {
		return fmt.Errorf("shape_min_voxels %d and shape_max_voxels %d: want 1 ≤ min ≤ max", o.ShapeMin, o.ShapeMax)
	}
	for _, err := range []error{
		settings.Range("generated", o.GeneratedMin, o.GeneratedMax, 0, 1000),
		settings.Range("regions", o.RegionsMin, o.RegionsMax, 1, 1000),
		settings.Within("erode_mm", o.ErodeMM, 0, 100),
		settings.Within("tries", o.Tries, 1, 1e6),
		settings.Within("dilate", o.Dilate, 0, 1), // more would fill neighbouring lesions
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

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

	ShapeOf string `json:"shape_of,omitempty"` // case whose lesion has the shape of a generated one
}

// Dropped is a lesion that was to be generated and was not, or that the grid of
// the scan cannot show.
type Dropped struct {
	Reason string `json:"reason"`
	Voxels int    `json:"voxels"` // of its shape; 0 where there was none
}

// Record describes what was done to make a pair.
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
