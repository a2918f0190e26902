package volume

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
