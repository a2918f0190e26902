package volume

// Reorder returns v with its voxels in the order of another grid that has the same
// voxels: stored along other axes, or from the other end. It is v itself where the order is
// the same already; ok is false where the grids do not share their voxels.
func Reorder(v *Volume, to Grid) (reordered *Volume, ok bool) {
	at := func(g Grid) *Volume { return &Volume{Grid: g} }
	if SameSpace(at(to), at(v.Grid)) == nil {
		return v, true
	}
	for _, g := range []Grid{v.Grid, to} {
		if d := g.Affine.Det(); g.Len() < 1 || d == 0 || d-d != 0 { // no order to speak of
			return nil, false
		}
	}
	if SameSpace(at(to.Canonical()), at(v.Grid.Canonical())) != nil {
		return nil, false
	}
	return FromCanonical(Canonical(v), to), true
}
