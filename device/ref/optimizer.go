package ref

import (
	"math"

	"voxgrad/device"
)

// Adam implements device.Optimizer.
func (b *Backend[F]) Adam(slots []device.AdamSlot, opt device.AdamOptions) {
	const op = "Adam"
	want(op, opt.Step >= 1, "step %d, the first one is 1", opt.Step)
	c1 := 1 - math.Pow(opt.Beta1, float64(opt.Step))
	c2 := 1 - math.Pow(opt.Beta2, float64(opt.Step))
	for _, s := range slots {
		w, g, m, v := b.get(op, "W", s.W), b.get(op, "Grad", s.Grad), b.get(op, "M", s.M), b.get(op, "V", s.V)
		want(op, s.Grad.Shape == s.W.Shape && s.M.Shape == s.W.Shape && s.V.Shape == s.W.Shape,
			"W %v, Grad %v, M %v, V %v", s.W.Shape, s.Grad.Shape, s.M.Shape, s.V.Shape)
		apart(op, s.W, s.Grad, s.M, s.V)
		apart(op, s.M, s.Grad, s.V)
		apart(op, s.V, s.Grad)
		for i := range w {
			g := float64(g[i])
			mi := opt.Beta1*float64(m[i]) + (1-opt.Beta1)*g
			vi := opt.Beta2*float64(v[i]) + (1-opt.Beta2)*g*g
			m[i], v[i] = F(mi), F(vi)
			w[i] = F(float64(w[i]) - opt.LR*(mi/c1)/(math.Sqrt(vi/c2)+opt.Eps))
		}
	}
}
