package synth

import "voxgrad/internal/rng"

// InpainterRegion draws the voxels that the inpainter is trained to restore in a
// patch without lesions: shapes of other cases' lesions, placed at random in the
// brain without touching each other, dilated as for a removal. ok is false where
// no shape found a place. From s come the number of regions, then for each its
// shape, orientation and place.
func (o Options) InpainterRegion(s *rng.Stream, p Patch, lib *Library) (region []bool, ok bool, err error) {
	if err := o.Check(); err != nil {
		return nil, false, err
	}
	if err := p.check(); err != nil {
		return nil, false, err
	}
	p.Likelihood = nil
	where, err := p.places(0)
	if err != nil || len(where.at) == 0 {
		return nil, false, err
	}
	b := p.board()
	region = make([]bool, p.voxels())
	for range o.RegionsMin + s.Intn(o.RegionsMax-o.RegionsMin+1) {
		shape, found := lib.Draw(s, p.Case, o.TurnShape)
		if !found {
			break
		}
		list := b.try(s, shape, where, o.Tries)
		if list == nil {
			continue
		}
		b.block(list)
		grow(list, p.Size, o.Dilate, func(i int) {
			if p.Brain[i] {
				region[i], ok = true, true
			}
		})
	}
	return region, ok, nil
}

// Base is the mask of the voxels whose mean and standard deviation noise has: the
// brain without lesions.
func Base(brain, lesions []bool) []bool {
	out := make([]bool, len(brain))
	for i, b := range brain {
		out[i] = b && !lesions[i]
	}
	return out
}
