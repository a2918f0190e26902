package volume

// Reorder returns v with its voxels in the order of another grid that has the same
// voxels: stored along other axes, or from the other end; see Grid.Reordered. ok is
// false where the grids do not share their voxels.
func Reorder(v *Volume, to Grid) (reordered *Volume, ok bool) {
	if SpaceDifference(&Volume{Grid: to}, v) == "" {
		return v, true
	}
	if !v.Grid.Reordered(to) {
		return nil, false
	}
	return FromCanonical(Canonical(v), to), true
}
