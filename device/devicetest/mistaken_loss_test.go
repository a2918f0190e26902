package devicetest

import (
	"math"

	"voxgrad/device"
)

// bareSoftmax forgets to subtract the maximum.
type bareSoftmax struct{ *oracle }

func (b bareSoftmax) Softmax(p, x device.Tensor) {
	kept := append([]float32(nil), b.Data(x)...)
	b.oracle.Softmax(p, x)
	for r := range x.Rows() {
		s := float32(0)
		for _, v := range kept[r*x.C : (r+1)*x.C] {
			s += float32(math.Exp(float64(v)))
		}
		for c := range x.C {
			b.Data(p)[r*x.C+c] = float32(math.Exp(float64(kept[r*x.C+c]))) / s
		}
	}
}

// diceMistake works with other options than it was given.
type diceMistake struct {
	*oracle
	change func(*device.DiceOptions)
}

func (b diceMistake) DiceLoss(loss, sums, prob, x, g device.Tensor, opt device.DiceOptions) {
	b.change(&opt)
	b.oracle.DiceLoss(loss, sums, prob, x, g, opt)
}

func (b diceMistake) DiceLossGrad(dx device.Into, dloss, sums, x, g device.Tensor, opt device.DiceOptions) {
	b.change(&opt)
	b.oracle.DiceLossGrad(dx, dloss, sums, x, g, opt)
}

// logOfP takes the logarithm of a float32 probability.
type logOfP struct{ *oracle }

func (b logOfP) DiceLoss(loss, sums, prob, x, g device.Tensor, opt device.DiceOptions) {
	b.oracle.DiceLoss(loss, sums, prob, x, g, opt)
	ce := opt.CrossEntropy
	opt.CrossEntropy = 0
	p := b.Alloc(x.Shape)
	defer b.Free(p)
	b.oracle.DiceLoss(loss, sums, p, x, g, opt)
	for i, v := range b.Data(p) {
		if g := b.Data(g)[i]; ce != 0 && g != 0 {
			b.Data(loss)[0] -= float32(ce * float64(g) * math.Log(float64(v)) / float64(x.Rows()))
		}
	}
}

// ownSlope takes the upstream gradient of a loss for 1.
type ownSlope struct{ *oracle }

func (b ownSlope) one() device.Tensor {
	t := b.Alloc(device.Scalar())
	b.Fill(t, 1)
	return t
}

func (b ownSlope) DiceLossGrad(dx device.Into, _, sums, x, g device.Tensor, opt device.DiceOptions) {
	b.oracle.DiceLossGrad(dx, b.one(), sums, x, g, opt)
}

func (b ownSlope) MSEGrad(dx device.Into, _, x, g device.Tensor) {
	b.oracle.MSEGrad(dx, b.one(), x, g)
}

// oneHotOnly takes Σ g of a row for 1 in the cross-entropy's gradient.
type oneHotOnly struct{ *oracle }

func (b oneHotOnly) DiceLossGrad(dx device.Into, dloss, sums, x, g device.Tensor, opt device.DiceOptions) {
	b.oracle.DiceLossGrad(dx, dloss, sums, x, g, opt)
	if dx.Mode == device.Skip || opt.CrossEntropy == 0 {
		return
	}
	p := b.Alloc(x.Shape)
	defer b.Free(p)
	b.Softmax(p, x)
	for r := range x.Rows() {
		sum := -1.0
		for _, v := range b.Data(g)[r*x.C : (r+1)*x.C] {
			sum += float64(v)
		}
		for c := range x.C {
			i := r*x.C + c
			b.Data(dx.Tensor)[i] -= float32(float64(b.Data(dloss)[0]) * opt.CrossEntropy / float64(x.Rows()) * float64(b.Data(p)[i]) * sum)
		}
	}
}

// adamMistake works with other options or slots than it was given.
type adamMistake struct {
	*oracle
	change func(s []device.AdamSlot, o device.AdamOptions) ([]device.AdamSlot, device.AdamOptions)
}

func (b adamMistake) Adam(slots []device.AdamSlot, opt device.AdamOptions) {
	b.oracle.Adam(b.change(slots, opt))
}

// stretched takes any norm to MaxNorm, shorter ones too.
type stretched struct{ *oracle }

func (b stretched) Adam(slots []device.AdamSlot, opt device.AdamOptions) {
	if !opt.Norm.None() {
		f := opt.MaxNorm / float64(b.Data(opt.Norm)[0])
		for _, s := range slots {
			for i := range b.Data(s.Grad) {
				defer func(g []float32, i int, old float32) { g[i] = old }(b.Data(s.Grad), i, b.Data(s.Grad)[i])
				b.Data(s.Grad)[i] *= float32(f)
			}
		}
		opt.Norm = device.Tensor{}
	}
	b.oracle.Adam(slots, opt)
}

// normMistake has another total norm.
type normMistake struct {
	*oracle
	of func(b *oracle, xs []device.Tensor) float64
}

func (b normMistake) TotalNorm(norm device.Tensor, xs []device.Tensor) {
	b.Data(norm)[0] = float32(b.of(b.oracle, xs))
}

func rootOfSquares(b *oracle, xs []device.Tensor) float64 {
	sum := 0.0
	for _, x := range xs {
		for _, v := range b.Data(x) {
			sum += float64(v) * float64(v)
		}
	}
	return math.Sqrt(sum)
}

// dropMistake draws other numbers, or cuts elsewhere.
type dropMistake struct {
	*oracle
	keep func(key, i uint64, p float64) bool
}

func (b dropMistake) Dropout(y, x device.Tensor, p float64, key uint64) {
	kept := append([]float32(nil), b.Data(x)...)
	b.oracle.Dropout(y, x, p, key)
	for i, v := range kept {
		b.Data(y)[i] = 0
		if b.keep(key, uint64(i), p) {
			b.Data(y)[i] = float32(float64(v) / (1 - p))
		}
	}
}
