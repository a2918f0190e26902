package cpu

import (
	"math"

	"voxgrad/device"
)

// adamStep holds the factors of one update, with the bias corrections folded in:
//
//	w = w·keep − rate·m / (√v·root + eps)
type adamStep struct {
	beta1, rest1, beta2, rest2 float32
	rate, root, eps, keep      float32
	clip                       float32
}

// Adam goes through the slots one after another.
func (b *engine) Adam(slots []device.AdamSlot, opt device.AdamOptions) {
	if g := data(opt.Guard); g != nil && g[0] != 0 {
		return
	}
	k := adamStep{
		beta1: float32(opt.Beta1), rest1: float32(1 - opt.Beta1),
		beta2: float32(opt.Beta2), rest2: float32(1 - opt.Beta2),
		rate: float32(opt.LR / (1 - math.Pow(opt.Beta1, float64(opt.Step)))),
		root: float32(1 / math.Sqrt(1-math.Pow(opt.Beta2, float64(opt.Step)))),
		eps:  float32(opt.Eps),
		keep: float32(1 - opt.LR*opt.WeightDecay),
		clip: 1,
	}
	if n := data(opt.Norm); n != nil {
		k.clip = float32(opt.Clip(float64(n[0])))
	}
	for _, s := range slots {
		w, g, m, v := data(s.W), data(s.Grad), data(s.M), data(s.V)
		elements(len(w), func(lo, hi int) { k.update(w[lo:hi], g[lo:hi], m[lo:hi], v[lo:hi]) })
	}
}

func (k *adamStep) update(w, g, m, v []float32) {
	m, v, w = m[:len(g)], v[:len(g)], w[:len(g)]
	for i, g := range g {
		g *= k.clip
		mi := k.beta1*m[i] + k.rest1*g
		vi := k.beta2*v[i] + k.rest2*g*g
		m[i], v[i] = mi, vi
		w[i] = float32(k.keep*w[i]) - k.rate*mi/(float32(math.Sqrt(float64(vi)))*k.root+k.eps)
	}
}

// TotalNorm goes through the tensors one after another.
func (b *engine) TotalNorm(norm device.Tensor, xs []device.Tensor) {
	sum := 0.0
	for _, x := range xs {
		v := data(x)
		sum += rowSums(len(v), 1, 1, func(acc []float64, lo, hi int) {
			for _, x := range v[lo:hi] {
				acc[0] += float64(x) * float64(x)
			}
		})[0]
	}
	data(norm)[0] = float32(math.Sqrt(sum))
}
