// Package volume reads, writes and prepares brain images: NIfTI files, their
// geometry, resampling, intensity normalisation, connected components, and a
// phantom to train and test on.
package volume

import (
	"fmt"
	"strings"
)

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

// ToNetwork copies a box of an image into the network's order. The image src has
// from[0]·from[1]·from[2] values with x running fastest, as in a file; dst gets the
// size[0]·size[1]·size[2] values from voxel start on with z running fastest:
// the network's axes D, H, W are x, y, z. Values of dst where the box sticks out of the image
// stay as they are.
func ToNetwork[T any](dst, src []T, from, start, size [3]int) {
	boxRows(from, start, size, func(image, network int) { dst[network] = src[image] })
}

// FromNetwork undoes ToNetwork: the box src, in the network's order, goes into the
// image dst of size to. What sticks out of the image is dropped.
func FromNetwork[T any](dst, src []T, to, start, size [3]int) {
	boxRows(to, start, size, func(image, network int) { dst[image] = src[network] })
}

// boxRows visits the voxels of a box that are in the image, in the image's order,
// with their offsets in the image and in the box in the network's order.
func boxRows(image, start, size [3]int, visit func(image, network int)) {
	var lo, hi [3]int // the part of the box inside the image, in box coordinates
	for a := range lo {
		lo[a] = max(0, -start[a])
		hi[a] = min(size[a], image[a]-start[a])
	}
	for k := lo[2]; k < hi[2]; k++ {
		for j := lo[1]; j < hi[1]; j++ {
			row := ((k+start[2])*image[1]+j+start[1])*image[0] + start[0]
			for i := lo[0]; i < hi[0]; i++ {
				visit(row+i, (i*size[1]+j)*size[2]+k)
			}
		}
	}
}

// Endings are the endings of the names of image files. They are recognised in any
// case: FLAIR.NII.GZ.
var Endings = []string{".nii.gz", ".nii"}

// CutEnding splits the name of an image file before its ending, which is returned as
// it is written; ok is false where the name ends in neither of Endings.
func CutEnding(name string) (base, ending string, ok bool) {
	for _, e := range Endings {
		if n := len(name) - len(e); n >= 0 && strings.EqualFold(name[n:], e) {
			return name[:n], name[n:], true
		}
	}
	return name, "", false
}

// IsImageName reports whether a name has one of Endings.
func IsImageName(name string) bool {
	_, _, ok := CutEnding(name)
	return ok
}
