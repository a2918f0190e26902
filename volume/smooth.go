package volume

// Smooth blurs v in place by a Gaussian with the given standard deviations along i, j, k in
// millimetres; the outermost voxels are repeated beyond the border. An axis whose reach of
// three standard deviations is less than a voxel stays as it is.
func (v *Volume) Smooth(mm [3]float64) { gaussianBlur(v.Data, v.Size, v.Affine.Spacing(), mm) }
