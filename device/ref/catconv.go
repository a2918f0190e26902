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
	from := 0
	for _, s := range in {
		if !s.W4.None() {
			b.composite(s, n, w, from)
		}
		from += s.Out().C
	}
}

// composite are the composite weights of a source whose channels are those of w from one on; see device.Source.
func (b loops[F]) composite(s device.Source, n device.Normalization, w device.Tensor, from int) {
	w4, up, all := b.data(s.W4), b.data(s.W), b.data(w)
	gamma, invstd := b.data(n.Gamma), b.data(n.InvStd)
	clear(w4)
	cin, cx, cu, co := w.W, s.X.C, s.W.C, w.C
	for k := range 8 {
		for t := range 27 {
			q := (k/4-t/9+2)*16 + (k/2%2-t/3%3+2)*4 + k%2 - t%3 + 2
			for i := range cx {
				for c := range cu {
					f := up[(k*cx+i)*cu+c] * gamma[from+c] * invstd[from+c]
					for o := range co {
						w4[(q*cx+i)*co+o] += f * all[(t*cin+from+c)*co+o]
					}
				}
			}
		}
	}
}

// CatConvGrad implements device.CatConv.
func (b loops[F]) CatConvGrad(g device.CatConvGrads, dy device.Tensor, in []device.Source, n device.Normalization, w device.Tensor, fixed bool) {
	b.composed().CatConvGrad(g, dy, in, n, w, fixed)
}
