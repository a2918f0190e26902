package devicetest

import (
	"errors"
	"fmt"
	"math"

	"voxgrad/device"
)

// Guarded is what a backend may implement, for its tests alone, so that writing
// outside a tensor is noticed. Usually it is a method in a test file of the
// backend's package.
type Guarded interface {
	// GuardAlloc is Alloc with at least pad elements of a known pattern directly
	// before and directly behind the tensor's. check, called after Sync and before
	// Free, reports whether one of them has changed. Free takes all of it back.
	GuardAlloc(s device.Shape, pad int) (t device.Tensor, check func() error)
}

// pad is the width of a guard: two of the widest vectors' worth and a cache line.
const pad = 64

// fenceValue is a NaN, so that reading beyond a tensor shows as well.
var fenceValue = float32(math.NaN())

// arena allocates the tensors of one run and gives them back together. Where
// the backend is not Guarded, a tensor of NaNs lies between each two of them; how
// near depends on the backend's allocator.
type arena struct {
	b       device.Backend
	tensors []device.Tensor
	checks  []func() error
}

func (a *arena) alloc(name string, s device.Shape) device.Tensor {
	if g, ok := a.b.(Guarded); ok {
		t, check := g.GuardAlloc(s, pad)
		a.tensors = append(a.tensors, t)
		a.checks = append(a.checks, func() error {
			if err := check(); err != nil {
				return fmt.Errorf("outside %s %v: %w", name, s, err)
			}
			return nil
		})
		return t
	}
	if len(a.tensors) == 0 {
		a.fence(name)
	}
	t := a.b.Alloc(s)
	a.tensors = append(a.tensors, t)
	a.fence(name)
	return t
}

func (a *arena) fence(name string) {
	f := a.b.Alloc(device.Vec(pad))
	a.tensors = append(a.tensors, f)
	a.b.Fill(f, fenceValue)
	a.checks = append(a.checks, func() error {
		for i, v := range download(a.b, f) {
			if v == v {
				return fmt.Errorf("outside %s: element %d of the tensor beside it was overwritten with %g", name, i, v)
			}
		}
		return nil
	})
}

func (a *arena) check() error {
	var errs []error
	for _, c := range a.checks {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

func (a *arena) free() {
	for _, t := range a.tensors {
		a.b.Free(t)
	}
}

func download(b device.Backend, t device.Tensor) []float32 {
	v := make([]float32, t.Len())
	b.Download(v, t)
	return v
}
