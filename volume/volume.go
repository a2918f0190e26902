// Package volume reads, writes and prepares brain images: NIfTI files, their
// geometry, resampling, intensity normalisation, connected components, and a
// phantom to train and test on.
package volume

import "fmt"

// Affine maps voxel indices (i, j, k) to millimetres in NIfTI's world: x to the
// right, y to the front, z up. Row r is the r-th world coordinate;
// world[r] = A[r][0]·i + A[r][1]·j + A[r][2]·k + A[r][3].
type Affine [3][4]float64

// Grid is where voxels are: how many along each axis, and their place.
type Grid struct {
	Size   [3]int // voxels along i, j, k
	Affine Affine
}

// Len is the number of voxels.
func (g Grid) Len() int { return g.Size[0] * g.Size[1] * g.Size[2] }

// Index is the offset of voxel (i, j, k): i runs fastest, as in a NIfTI file.
func (g Grid) Index(i, j, k int) int { return (k*g.Size[1]+j)*g.Size[0] + i }

// Volume is one 3D image. Values are real-world ones: a file's scaling has been
// applied. Masks are volumes too, with 0 for background.
type Volume struct {
	Grid
	Data []float32 // Data[Index(i,j,k)]

	// Path is the file it came from, for messages; "" if it was computed.
	Path string

	// Source keeps what the file said beyond the voxels (header fields, forms,
	// extensions), so that results can be written on the same grid, exactly. Nil if
	// it was computed.
	Source *Source
}

// New is a volume of zeros on g.
func New(g Grid) *Volume { return &Volume{Grid: g, Data: make([]float32, g.Len())} }

// Like is a volume of zeros on v's grid that keeps v's header for writing.
func (v *Volume) Like() *Volume {
	return &Volume{Grid: v.Grid, Data: make([]float32, v.Len()), Source: v.Source}
}

// At is the value of voxel (i, j, k).
func (v *Volume) At(i, j, k int) float32 { return v.Data[v.Index(i, j, k)] }

// Name is how to call v in a message.
func (v *Volume) Name() string {
	if v.Path == "" {
		return fmt.Sprintf("a computed volume of %d×%d×%d", v.Size[0], v.Size[1], v.Size[2])
	}
	return v.Path
}
