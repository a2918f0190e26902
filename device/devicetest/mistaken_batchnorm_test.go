package devicetest

import (
	"math"

	"voxgrad/device"
)

// biasedVariance keeps Σ/M in the running variance.
type biasedVariance struct{ *oracle }

func (b biasedVariance) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
	var before []float32
	if !runVar.None() {
		before = append(before, b.Data(runVar)...)
	}
	b.oracle.BatchNormStats(mean, invstd, x, runMean, runVar, eps, momentum)
	for c, old := range before {
		is := float64(b.Data(invstd)[c])
		b.Data(runVar)[c] = float32((1-momentum)*float64(old) + momentum*(1/(is*is)-eps))
	}
}

// oldMomentum takes momentum for the share of the old value.
type oldMomentum struct{ *oracle }

func (b oldMomentum) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
	b.oracle.BatchNormStats(mean, invstd, x, runMean, runVar, eps, 1-momentum)
}

// onePass computes the variance as E[x²] − mean² in float32.
type onePass struct{ *oracle }

func (b onePass) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
	b.oracle.BatchNormStats(mean, invstd, x, runMean, runVar, eps, momentum)
	s, s2 := make([]float32, x.C), make([]float32, x.C)
	for i, v := range b.Data(x) {
		s[i%x.C] += v
		s2[i%x.C] += v * v
	}
	m := float32(x.Rows())
	for c := range s {
		b.Data(invstd)[c] = float32(1 / math.Sqrt(float64(s2[c]/m-s[c]/m*(s[c]/m))+eps))
	}
}

// addedSums takes what dgamma holds after Add for the sum over this batch.
type addedSums struct{ *oracle }

func (b addedSums) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, fixed bool) {
	if dgamma.Mode != device.Add || dx.Mode != device.Set || fixed {
		b.oracle.BatchNormGrad(dx, dgamma, dbeta, dy, x, gamma, mean, invstd, fixed)
		return
	}
	old := append([]float32(nil), b.Data(dgamma.Tensor)...)
	b.oracle.BatchNormGrad(dx, dgamma, dbeta, dy, x, gamma, mean, invstd, fixed)
	for i, v := range b.Data(x) {
		c := i % x.C
		is := b.Data(invstd)[c]
		b.Data(dx.Tensor)[i] -= b.Data(gamma)[c] * is * (v - b.Data(mean)[c]) * is * old[c] / float32(x.Rows())
	}
}

// alwaysFixed treats training as evaluation.
type alwaysFixed struct{ *oracle }

func (b alwaysFixed) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, _ bool) {
	b.oracle.BatchNormGrad(dx, dgamma, dbeta, dy, x, gamma, mean, invstd, true)
}

// fromZero starts the maximum at 0.
type fromZero struct{ *oracle }

func (b fromZero) MaxPool(y, x device.Tensor) {
	b.oracle.MaxPool(y, x)
	for i, v := range b.Data(y) {
		b.Data(y)[i] = max(v, 0)
	}
}

// lastWins sends the gradient to the last of equal elements.
type lastWins struct{ *oracle }

func (b lastWins) MaxPoolGrad(dx device.Into, dy, x, y device.Tensor) {
	b.oracle.MaxPoolGrad(dx, dy, x, y)
	if dx.Mode != device.Set {
		return
	}
	clear(b.Data(dx.Tensor))
	for p := range y.Len() {
		c, r := p%y.C, p/y.C
		w, h, d, n := r%y.W, r/y.W%y.H, r/(y.W*y.H)%y.D, r/y.Voxels()
		for t := 7; t >= 0; t-- {
			q := (n*x.Voxels()+linear(x.Shape, 2*d+t>>2, 2*h+t>>1&1, 2*w+t&1))*x.C + c
			if b.Data(x)[q] == b.Data(y)[p] {
				b.Data(dx.Tensor)[q] = b.Data(dy)[p]
				break
			}
		}
	}
}

// unclamped interpolates towards 0 at the end of W.
type unclamped struct{ *oracle }

func (b unclamped) Upsample(y, x device.Tensor) {
	b.oracle.Upsample(y, x)
	for i := range b.Data(y) {
		if i/y.C%y.W == y.W-1 {
			b.Data(y)[i] *= 0.75
		}
	}
}
