package devicetest

import (
	"golang.org/x/exp/constraints"

	"voxgrad/device"
	"voxgrad/device/ref"
)

// spy passes every call on to ref. It notes which methods were called, and lets
// a fault change what a call does. It does not embed a Backend, so a new
// method of the interface does not compile before it is here.
type spy[F constraints.Float] struct {
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
	return &spy[F]{ref: ref.New[F](), called: map[string]bool{}, fault: fault}
}

type (
	outs  []*device.Tensor
	intos []*device.Into
	ins   []*device.Tensor
)

func (s *spy[F]) do(method string, o outs, i intos, in ins, run func()) {
	s.called[method] = true
	if s.fault == nil {
		run()
		return
	}
	s.fault(&call{method, o, i, in, run})
}

func (s *spy[F]) Data(t device.Tensor) []F { return s.ref.Data(t) }

func (s *spy[F]) GuardAlloc(sh device.Shape, pad int) (device.Tensor, func() error) {
	return s.ref.GuardAlloc(sh, pad)
}

func (s *spy[F]) Name() (name string) {
	s.do("Name", nil, nil, nil, func() { name = s.ref.Name() })
	return name
}

func (s *spy[F]) Alloc(sh device.Shape) (t device.Tensor) {
	s.do("Alloc", nil, nil, nil, func() { t = s.ref.Alloc(sh) })
	return t
}

func (s *spy[F]) Free(t device.Tensor) { s.do("Free", nil, nil, nil, func() { s.ref.Free(t) }) }

func (s *spy[F]) Upload(t device.Tensor, src []float32) {
	s.do("Upload", outs{&t}, nil, nil, func() { s.ref.Upload(t, src) })
}

func (s *spy[F]) Download(dst []float32, t device.Tensor) {
	s.do("Download", nil, nil, ins{&t}, func() { s.ref.Download(dst, t) })
}

func (s *spy[F]) Fill(t device.Tensor, v float32) {
	s.do("Fill", outs{&t}, nil, nil, func() { s.ref.Fill(t, v) })
}

func (s *spy[F]) Copy(dst device.Into, src device.Tensor) {
	s.do("Copy", nil, intos{&dst}, ins{&src}, func() { s.ref.Copy(dst, src) })
}

func (s *spy[F]) NonFinite(count, x device.Tensor) {
	s.do("NonFinite", outs{&count}, nil, ins{&x}, func() { s.ref.NonFinite(count, x) })
}

func (s *spy[F]) Usage() (now, peak int64) {
	s.do("Usage", nil, nil, nil, func() { now, peak = s.ref.Usage() })
	return now, peak
}

func (s *spy[F]) ResetPeak() { s.do("ResetPeak", nil, nil, nil, s.ref.ResetPeak) }

func (s *spy[F]) Sync() (err error) {
	s.do("Sync", nil, nil, nil, func() { err = s.ref.Sync() })
	return err
}

func (s *spy[F]) Close() (err error) {
	s.do("Close", nil, nil, nil, func() { err = s.ref.Close() })
	return err
}

func (s *spy[F]) Conv(y, x, w, b device.Tensor, win device.ConvParams, act device.Act) {
	s.do("Conv", outs{&y}, nil, ins{&x, &w, &b}, func() { s.ref.Conv(y, x, w, b, win, act) })
}

func (s *spy[F]) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	s.do("ConvGradX", nil, intos{&dx}, ins{&dy, &w}, func() { s.ref.ConvGradX(dx, dy, w, win) })
}

func (s *spy[F]) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	s.do("ConvGradW", nil, intos{&dw, &db}, ins{&x, &dy}, func() { s.ref.ConvGradW(dw, db, x, dy, win) })
}

func (s *spy[F]) ConvT(y, x, w, b device.Tensor, win device.ConvParams) {
	s.do("ConvT", outs{&y}, nil, ins{&x, &w, &b}, func() { s.ref.ConvT(y, x, w, b, win) })
}

func (s *spy[F]) ConvTGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	s.do("ConvTGradX", nil, intos{&dx}, ins{&dy, &w}, func() { s.ref.ConvTGradX(dx, dy, w, win) })
}

func (s *spy[F]) ConvTGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	s.do("ConvTGradW", nil, intos{&dw, &db}, ins{&x, &dy}, func() { s.ref.ConvTGradW(dw, db, x, dy, win) })
}

func (s *spy[F]) ReLUGrad(dx device.Into, dy, y device.Tensor) {
	s.do("ReLUGrad", nil, intos{&dx}, ins{&dy, &y}, func() { s.ref.ReLUGrad(dx, dy, y) })
}

func (s *spy[F]) BatchNormStats(mean, invstd, x, runMean, runVar device.Tensor, eps, momentum float64) {
	s.do("BatchNormStats", outs{&mean, &invstd, &runMean, &runVar}, nil, ins{&x}, func() {
		s.ref.BatchNormStats(mean, invstd, x, runMean, runVar, eps, momentum)
	})
}

func (s *spy[F]) BatchNormInvStd(invstd, variance device.Tensor, eps float64) {
	s.do("BatchNormInvStd", outs{&invstd}, nil, ins{&variance}, func() { s.ref.BatchNormInvStd(invstd, variance, eps) })
}

func (s *spy[F]) BatchNormApply(y, x, gamma, beta, mean, invstd device.Tensor) {
	s.do("BatchNormApply", outs{&y}, nil, ins{&x, &gamma, &beta, &mean, &invstd}, func() {
		s.ref.BatchNormApply(y, x, gamma, beta, mean, invstd)
	})
}

func (s *spy[F]) BatchNormGrad(dx, dgamma, dbeta device.Into, dy, x, gamma, mean, invstd device.Tensor, fixed bool) {
	s.do("BatchNormGrad", nil, intos{&dx, &dgamma, &dbeta}, ins{&dy, &x, &gamma, &mean, &invstd}, func() {
		s.ref.BatchNormGrad(dx, dgamma, dbeta, dy, x, gamma, mean, invstd, fixed)
	})
}

func (s *spy[F]) MaxPool(y, x device.Tensor) {
	s.do("MaxPool", outs{&y}, nil, ins{&x}, func() { s.ref.MaxPool(y, x) })
}

func (s *spy[F]) MaxPoolGrad(dx device.Into, dy, x, y device.Tensor) {
	s.do("MaxPoolGrad", nil, intos{&dx}, ins{&dy, &x, &y}, func() { s.ref.MaxPoolGrad(dx, dy, x, y) })
}

func (s *spy[F]) Upsample(y, x device.Tensor) {
	s.do("Upsample", outs{&y}, nil, ins{&x}, func() { s.ref.Upsample(y, x) })
}

func (s *spy[F]) UpsampleGrad(dx device.Into, dy device.Tensor) {
	s.do("UpsampleGrad", nil, intos{&dx}, ins{&dy}, func() { s.ref.UpsampleGrad(dx, dy) })
}

func (s *spy[F]) Concat(y, a, b device.Tensor) {
	s.do("Concat", outs{&y}, nil, ins{&a, &b}, func() { s.ref.Concat(y, a, b) })
}

func (s *spy[F]) Split(da, db device.Into, dy device.Tensor) {
	s.do("Split", nil, intos{&da, &db}, ins{&dy}, func() { s.ref.Split(da, db, dy) })
}

func (s *spy[F]) Softmax(p, x device.Tensor) {
	s.do("Softmax", outs{&p}, nil, ins{&x}, func() { s.ref.Softmax(p, x) })
}

func (s *spy[F]) DiceLoss(loss, sums, prob, x, g device.Tensor, opt device.DiceOptions) {
	s.do("DiceLoss", outs{&loss, &sums, &prob}, nil, ins{&x, &g}, func() { s.ref.DiceLoss(loss, sums, prob, x, g, opt) })
}

func (s *spy[F]) DiceLossGrad(dx device.Into, dloss, sums, x, g device.Tensor, opt device.DiceOptions) {
	s.do("DiceLossGrad", nil, intos{&dx}, ins{&dloss, &sums, &x, &g}, func() { s.ref.DiceLossGrad(dx, dloss, sums, x, g, opt) })
}

func (s *spy[F]) MSE(loss, x, g device.Tensor) {
	s.do("MSE", outs{&loss}, nil, ins{&x, &g}, func() { s.ref.MSE(loss, x, g) })
}

func (s *spy[F]) MSEGrad(dx device.Into, dloss, x, g device.Tensor) {
	s.do("MSEGrad", nil, intos{&dx}, ins{&dloss, &x, &g}, func() { s.ref.MSEGrad(dx, dloss, x, g) })
}

func (s *spy[F]) Adam(slots []device.AdamSlot, opt device.AdamOptions) {
	var o outs
	var in ins
	for i := range slots {
		o = append(o, &slots[i].W, &slots[i].M, &slots[i].V)
		in = append(in, &slots[i].Grad)
	}
	s.do("Adam", o, nil, in, func() { s.ref.Adam(slots, opt) })
}

func (s *spy[F]) Dropout(y, x device.Tensor, p float64, key uint64) {
	s.do("Dropout", outs{&y}, nil, ins{&x}, func() { s.ref.Dropout(y, x, p, key) })
}

func (s *spy[F]) DropoutGrad(dx device.Into, dy device.Tensor, p float64, key uint64) {
	s.do("DropoutGrad", nil, intos{&dx}, ins{&dy}, func() { s.ref.DropoutGrad(dx, dy, p, key) })
}
