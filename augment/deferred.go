package augment

import "voxgrad/device"

// deferred is a device that keeps what it is told until run, which brings all
// uploaded tensors to the real device together: a recipe's many small matrices in one transfer. Tensors
// are allocated and freed when their turn comes, so that no more memory is taken than without it.
type deferred struct {
	device.Ops
	device.Allocator
	to    device.Memory
	ops   device.NetworkOps
	steps []func()
	early []*later // tensors with values, in the order of their uploads
	first [][]float32
}

// later is the Mem of a tensor of deferred until it is real.
type later struct {
	shape device.Shape
	real  device.Tensor
	used  bool // a step refers to it
}

func (m *later) Bytes() int64 { return 4 * int64(m.shape.Len()) }

func newDeferred(to device.Memory, ops device.NetworkOps) *deferred {
	d := &deferred{Allocator: to, to: to, ops: ops}
	d.Ops = d.keep
	return d
}

// keep keeps a call, which then finds real tensors in its arguments.
func (d *deferred) keep(c *device.Call) {
	for _, a := range c.Args {
		if m, ok := a.Tensor.Mem.(*later); ok {
			m.used = true
		}
	}
	d.steps = append(d.steps, func() {
		for _, a := range c.Args {
			if m, ok := a.Tensor.Mem.(*later); ok {
				*a.Tensor = m.real
			}
		}
		c.Run(d.ops)
	})
}

// Alloc takes nothing from the device yet.
func (d *deferred) Alloc(s device.Shape) device.Tensor {
	device.CheckShape("augment", s)
	m := &later{shape: s}
	d.steps = append(d.steps, func() {
		if m.real.None() {
			m.real = d.to.Alloc(s)
		}
	})
	return device.Tensor{Shape: s, Mem: m}
}

// Free keeps what is to be freed.
func (d *deferred) Free(t device.Tensor) {
	d.steps = append(d.steps, func() {
		if m, ok := t.Mem.(*later); ok {
			t = m.real
		}
		d.to.Free(t)
	})
}

// Upload keeps a copy of src. Only a tensor that nothing refers to so far can have its values before
// all else.
func (d *deferred) Upload(t device.Tensor, src []float32) {
	src = append([]float32(nil), src...)
	if m, ok := t.Mem.(*later); ok && !m.used {
		m.used = true
		d.early, d.first = append(d.early, m), append(d.first, src)
		return
	}
	d.Ops.Upload(t, src)
}

// Download is refused: the host would have to wait.
func (d *deferred) Download([]float32, device.Tensor) {
	panic("augment: Download: a transform may not wait for the device")
}

// run does all that was kept.
func (d *deferred) run() {
	shapes := make([]device.Shape, len(d.early))
	for i, m := range d.early {
		shapes[i] = m.shape
	}
	for i, t := range d.to.AllocWith(shapes, d.first) {
		d.early[i].real = t
	}
	for _, step := range d.steps {
		step()
	}
}
