package devicetest

import (
	"golang.org/x/exp/constraints"

	"voxgrad/device"
	"voxgrad/device/ref"
)

// spy passes every call on to ref. It notes which methods were called, and lets
// a fault change what a call does.
type spy[F constraints.Float] struct {
	device.Ops
	ref    *ref.Backend[F]
	called map[string]bool
	fault  func(c *call) // nil: c.run()
}

// call is one call of a method with tensors. A fault may change the arguments
// through the pointers before it runs the call.
type call struct {
	method string
	outs   []*device.Tensor
	intos  []*device.Into
	ins    []*device.Tensor
	run    func()
}

func newSpy[F constraints.Float](fault func(c *call)) *spy[F] {
	s := &spy[F]{ref: ref.New[F](), called: map[string]bool{}, fault: fault}
	s.Ops = s.do
	return s
}

func (s *spy[F]) do(c *device.Call) {
	s.called[c.Op] = true
	k := &call{method: c.Op, run: func() { c.Run(s.ref) }}
	for _, a := range c.Args {
		switch a.Role {
		case device.Input:
			k.ins = append(k.ins, a.Tensor)
		case device.Gradient:
			k.intos = append(k.intos, a.Into)
		default:
			k.outs = append(k.outs, a.Tensor)
		}
	}
	if s.fault == nil {
		k.run()
	} else {
		s.fault(k)
	}
}

func (s *spy[F]) Data(t device.Tensor) []F { return s.ref.Data(t) }

func (s *spy[F]) GuardAlloc(sh device.Shape, pad int) (device.Tensor, func() error) {
	return s.ref.GuardAlloc(sh, pad)
}

// on notes a call without tensors.
func (s *spy[F]) on(method string) *ref.Backend[F] {
	s.called[method] = true
	return s.ref
}

func (s *spy[F]) Name() string                        { return s.on("Name").Name() }
func (s *spy[F]) Alloc(sh device.Shape) device.Tensor { return s.on("Alloc").Alloc(sh) }
func (s *spy[F]) Free(t device.Tensor)                { s.on("Free").Free(t) }
func (s *spy[F]) Usage() (now, peak int64)            { return s.on("Usage").Usage() }
func (s *spy[F]) ResetPeak()                          { s.on("ResetPeak").ResetPeak() }
func (s *spy[F]) AllocWith(shapes []device.Shape, values [][]float32) []device.Tensor {
	return s.on("AllocWith").AllocWith(shapes, values)
}
func (s *spy[F]) Fetch(ts ...device.Tensor) device.Fetched { return s.on("Fetch").Fetch(ts...) }
func (s *spy[F]) Sync() error                              { return s.on("Sync").Sync() }
func (s *spy[F]) Close() error                             { return s.on("Close").Close() }
