package augment

import (
	"fmt"

	"voxgrad/device"
	"voxgrad/volume"
)

// ToDevice copies an image to the device as [1 D H W 1], axes 0, 1 and 2 being i, j
// and k of its grid: pass volume.Canonical(v) for x, y and z.
func ToDevice(dev device.Memory, v *volume.Volume) device.Tensor {
	n := v.Size
	t := dev.Alloc(device.Shape{N: 1, D: n[0], H: n[1], W: n[2], C: 1})
	turned := make([]float32, len(v.Data))
	each(n, func(file, tensor int) { turned[tensor] = v.Data[file] })
	dev.Upload(t, turned)
	return t
}

// FromDevice copies an image back, as a volume on g, which must have its size. Device
// failures come out of dev.Sync.
func FromDevice(dev device.Memory, t device.Tensor, g volume.Grid) *volume.Volume {
	if t.Grid() != g.Size || t.Len() != g.Len() {
		panic(fmt.Sprintf("augment: FromDevice: %v onto a grid of %v", t.Shape, g.Size))
	}
	turned := make([]float32, g.Len())
	dev.Download(turned, t)
	v := volume.New(g)
	each(g.Size, func(file, tensor int) { v.Data[file] = turned[tensor] })
	return v
}

// each visits the voxels with their offsets in a file (axis 0 fastest) and in a
// tensor (axis 2 fastest).
func each(n [3]int, f func(file, tensor int)) {
	for i := range n[0] {
		for j := range n[1] {
			for k := range n[2] {
				f(i+n[0]*(j+n[1]*k), (i*n[1]+j)*n[2]+k)
			}
		}
	}
}
