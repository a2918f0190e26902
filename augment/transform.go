package augment

import (
	"fmt"

	"voxgrad/device"
	"voxgrad/volume"
)

// Device is what the transforms need of a device.
type Device = device.Imaging

// Transform is one change of an image with all its parameters. Values of the
// types of this package marshal to JSON as the parameters that Parse reads.
type Transform interface {
	// Name is the transform's name for Parse: "blur".
	Name() string

	// String is one line for people: "blur, SD 1.2".
	String() string

	// Check tells what is wrong with the parameters, or why they do not suit an
	// image of that size.
	Check(size [3]int) error

	// OutSize is the size of the result for an image of that size.
	OutSize(size [3]int) [3]int

	// Apply sets y to the transform of x. Both are [1 D H W 1], y of OutSize, and y
	// is not x. Parameters that Check refuses panic or give nonsense. The host
	// neither waits for the device nor reads from it.
	Apply(dev Device, y, x device.Tensor)
}

// Recipe is a list of transforms, applied in order. As JSON it is
// [{"transform": name, "params": {…}}, …].
type Recipe []Transform

// Check is the first error of the transforms for an image of that size.
func (r Recipe) Check(size [3]int) error {
	for _, t := range r {
		if err := t.Check(size); err != nil {
			return err
		}
		size = t.OutSize(size)
	}
	return nil
}

// Apply changes x, [1 D H W 1], in place. It panics where a transform changes the
// shape (Rot90 and Orient of an image that is not a cube). What the transforms bring to
// the device goes there in one transfer.
func (r Recipe) Apply(dev Device, x device.Tensor) {
	if len(r) == 0 {
		return
	}
	if ops, ok := dev.(device.NetworkOps); ok {
		d := newDeferred(dev, ops)
		r.apply(d, x)
		d.run()
		return
	}
	r.apply(dev, x)
}

func (r Recipe) apply(dev Device, x device.Tensor) {
	from, to := x, dev.Alloc(x.Shape)
	other := to
	for _, t := range r {
		if out := t.OutSize(x.Grid()); out != x.Grid() {
			panic(fmt.Sprintf("augment: %s makes %v of %v and cannot work in place", t.Name(), out, x.Grid()))
		}
		t.Apply(dev, to, from)
		from, to = to, from
	}
	if from.Mem != x.Mem {
		dev.Copy(set(x), from)
	}
	dev.Free(other)
}

// Scaled is the recipe for images whose intensities are c times as large:
// Scaled(c) of c·x is c times r of x.
func (r Recipe) Scaled(c float64) Recipe {
	out := make(Recipe, len(r))
	for i, t := range r {
		if n, ok := t.(Noise); ok {
			n.Sigma *= c
			n.Mean *= c
			t = n
		}
		out[i] = t
	}
	return out
}

func set(t device.Tensor) device.Into { return device.Into{Tensor: t, Mode: device.Set} }
func add(t device.Tensor) device.Into { return device.Into{Tensor: t, Mode: device.Add} }

// same is OutSize of what keeps the grid.
type same struct{}

func (same) OutSize(size [3]int) [3]int { return size }

// checked is Check of a transform that suits every size.
func checked(t Transform, err error, size [3]int) error {
	if err == nil && (size[0] < 1 || size[1] < 1 || size[2] < 1) {
		err = fmt.Errorf("an image of %d×%d×%d voxels", size[0], size[1], size[2])
	}
	if err != nil {
		return fmt.Errorf("transform %s: %w", t.Name(), err)
	}
	return nil
}

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
