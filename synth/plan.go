package synth

import (
	"slices"

	"voxgrad/internal/rng"
)

// Plan is every decision about one pair.
type Plan struct {
	Size   [3]int
	Record Record

	// Keys of the noise that is painted over. One serves both time points: where a
	// voxel is painted at both, both networks start from the same number.
	RemoveKey, GenerateKey uint64

	lesions [][]int32 // voxels of each lesion of the record, in ascending order
	remove  [2][]bool // voxels that the inpainter paints; nil: none
	put     [2][]bool // voxels that the generator paints; nil: none
	base    []bool    // voxels whose intensities the noise imitates: brain without lesions and what is painted
}

// Plan draws a pair. From s come, in this order: the two keys of the noise; for
// each lesion, largest first, where it stays; the number of lesions to generate;
// for each of them where it is present, its shape, orientation and place. Errors
// are for arrays that do not fit the patch and for options that make no sense.
func (o Options) Plan(s *rng.Stream, p Patch, lib *Library) (*Plan, error) {
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
func (o Options) generate(pl *Plan, s *rng.Stream, p Patch, lib *Library, b *board) error {
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

// mark makes the masks of what is painted.
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

// Painted is the mask of the voxels of a time point, 0 or 1, that a network
// paints; all others keep their values.
func (pl *Plan) Painted(time int) []bool {
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
func pick(s *rng.Stream, p ...float64) int {
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
