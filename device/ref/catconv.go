package ref

import (
	"golang.org/x/exp/constraints"

	"voxgrad/device"
)

// composer makes the tensors of a composition.
type composer[F constraints.Float] struct{ loops[F] }

func (composer[F]) Alloc(s device.Shape) device.Tensor {
	m := &buffer[F]{data: make([]F, s.Len())}
	poison(m.data)
	return device.Tensor{Shape: s, Mem: m}
}

func (composer[F]) Free(device.Tensor) {}

func (b loops[F]) composed() device.Composed { return device.Composed{On: composer[F]{b}} }

// CatConvStats implements device.CatConv.
func (b loops[F]) CatConvStats(mean, invstd device.Tensor, in []device.Source, runMean, runVar device.Tensor, eps, momentum float64) {
	b.composed().CatConvStats(mean, invstd, in, runMean, runVar, eps, momentum)
}

// CatConv implements device.CatConv.
func (b loops[F]) CatConv(y device.Tensor, in []device.Source, n device.Normalization, w, bias device.Tensor, act device.Act) {
	b.composed().CatConv(y, in, n, w, bias, act)
}

// CatConvGrad implements device.CatConv.
func (b loops[F]) CatConvGrad(g device.CatConvGrads, dy device.Tensor, in []device.Source, n device.Normalization, w device.Tensor, fixed bool) {
	b.composed().CatConvGrad(g, dy, in, n, w, fixed)
}
