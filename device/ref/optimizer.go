package ref

import (
	"math"

	"voxgrad/device"
)

// Adam implements device.Optimizer.
func (b loops[F]) Adam(slots []device.AdamSlot, opt device.AdamOptions) {
	if !opt.Guard.None() && b.data(opt.Guard)[0] != 0 {
		return
	}
	c1 := 1 - math.Pow(opt.Beta1, float64(opt.Step))
	c2 := 1 - math.Pow(opt.Beta2, float64(opt.Step))
	clip := 1.0
	if !opt.Norm.None() {
		clip = opt.Clip(float64(b.data(opt.Norm)[0]))
	}
	for _, s := range slots {
		w, g, m, v := b.data(s.W), b.data(s.Grad), b.data(s.M), b.data(s.V)
		for i := range w {
			g := float64(g[i]) * clip
			mi := opt.Beta1*float64(m[i]) + (1-opt.Beta1)*g
			vi := opt.Beta2*float64(v[i]) + (1-opt.Beta2)*g*g
			m[i], v[i] = F(mi), F(vi)
			w[i] = F(float64(w[i])*(1-opt.LR*opt.WeightDecay) - opt.LR*(mi/c1)/(math.Sqrt(vi/c2)+opt.Eps))
		}
	}
}

// TotalNorm implements device.Optimizer.
func (b loops[F]) TotalNorm(norm device.Tensor, xs []device.Tensor) {
	sum := 0.0
	for _, x := range xs {
		for _, v := range b.data(x) {
			sum += float64(v) * float64(v)
		}
	}
	b.data(norm)[0] = F(math.Sqrt(sum))
}
