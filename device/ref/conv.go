package ref

import "voxgrad/device"

func checkWindow(op string, win device.ConvParams) {
	want(op, win.K > 0 && win.Stride > 0 && win.Pad >= 0, "no such window: %+v", win)
}

// checkConv holds what x, w and y of a convolution must satisfy; b's shape is
// that of a vector with w.C elements.
func checkConv(op string, x, w, y device.Shape, win device.ConvParams) {
	checkWindow(op, win)
	want(op, w == device.Weights(win.K, x.C, w.C) && y == win.Out(x, w.C), "x %v, w %v, y %v, window %+v", x, w, y, win)
}

func checkConvT(op string, x, w, y device.Shape, win device.ConvParams) {
	checkWindow(op, win)
	want(op, w == device.Weights(win.K, x.C, w.C) && y == win.OutT(x, w.C), "x %v, w %v, y %v, window %+v", x, w, y, win)
}

// Conv implements device.Conv.
func (b *Backend[F]) Conv(y, x, w, bs device.Tensor, win device.ConvParams, act device.Act) {
	const op = "Conv"
	yd, xd, wd, bd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "w", w), b.opt(op, "b", bs)
	checkConv(op, x.Shape, w.Shape, y.Shape, win)
	want(op, bs.None() || bs.Shape == device.Vec(w.C), "b %v, w %v", bs.Shape, w.Shape)
	want(op, act == device.Linear || act == device.ReLU, "no such activation: %d", act)
	apart(op, y, x, w, bs)
	s := bias(y.Rows(), y.C, bd)
	taps(win, y.Shape, x.Shape, func(p, q, k int) {
		matvec(row(s, p, y.C), row(xd, q, x.C), row(wd, k, x.C*y.C))
	})
	for i, v := range s {
		if act == device.ReLU && v < 0 {
			v = 0
		}
		yd[i] = F(v)
	}
}

// ConvGradX implements device.Conv.
func (b *Backend[F]) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	const op = "ConvGradX"
	if dx.Mode == device.Skip {
		return
	}
	dyd, wd := b.get(op, "dy", dy), b.get(op, "w", w)
	checkConv(op, dx.Shape, w.Shape, dy.Shape, win)
	apart(op, dx.Tensor, dy, w)
	s := make([]float64, dx.Len())
	taps(win, dy.Shape, dx.Shape, func(p, q, k int) {
		matvecT(row(s, q, dx.C), row(dyd, p, dy.C), row(wd, k, dx.C*dy.C))
	})
	b.put(op, "dx", dx, s)
}

// ConvGradW implements device.Conv.
func (b *Backend[F]) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	const op = "ConvGradW"
	if dw.Mode == device.Skip && db.Mode == device.Skip {
		return
	}
	xd, dyd := b.get(op, "x", x), b.get(op, "dy", dy)
	ws := device.Weights(win.K, x.C, dy.C)
	checkConv(op, x.Shape, ws, dy.Shape, win)
	want(op, fits(dw, ws) && fits(db, device.Vec(dy.C)), "dw %v, db %v, x %v, dy %v", dw.Shape, db.Shape, x.Shape, dy.Shape)
	apart(op, dw.Tensor, x, dy)
	apart(op, db.Tensor, x, dy)
	if dw.Mode != device.Skip {
		s := make([]float64, ws.Len())
		taps(win, dy.Shape, x.Shape, func(p, q, k int) {
			outer(row(s, k, x.C*dy.C), row(xd, q, x.C), row(dyd, p, dy.C))
		})
		b.put(op, "dw", dw, s)
	}
	b.put(op, "db", db, columnSums(dyd, dy.C))
}

// ConvT implements device.Conv.
func (b *Backend[F]) ConvT(y, x, w, bs device.Tensor, win device.ConvParams) {
	const op = "ConvT"
	yd, xd, wd, bd := b.get(op, "y", y), b.get(op, "x", x), b.get(op, "w", w), b.opt(op, "b", bs)
	checkConvT(op, x.Shape, w.Shape, y.Shape, win)
	want(op, bs.None() || bs.Shape == device.Vec(w.C), "b %v, w %v", bs.Shape, w.Shape)
	apart(op, y, x, w, bs)
	s := bias(y.Rows(), y.C, bd)
	taps(win, x.Shape, y.Shape, func(p, q, k int) {
		matvec(row(s, q, y.C), row(xd, p, x.C), row(wd, k, x.C*y.C))
	})
	for i, v := range s {
		yd[i] = F(v)
	}
}

// ConvTGradX implements device.Conv.
func (b *Backend[F]) ConvTGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	const op = "ConvTGradX"
	if dx.Mode == device.Skip {
		return
	}
	dyd, wd := b.get(op, "dy", dy), b.get(op, "w", w)
	checkConvT(op, dx.Shape, w.Shape, dy.Shape, win)
	apart(op, dx.Tensor, dy, w)
	s := make([]float64, dx.Len())
	taps(win, dx.Shape, dy.Shape, func(p, q, k int) {
		matvecT(row(s, p, dx.C), row(dyd, q, dy.C), row(wd, k, dx.C*dy.C))
	})
	b.put(op, "dx", dx, s)
}

// ConvTGradW implements device.Conv.
func (b *Backend[F]) ConvTGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	const op = "ConvTGradW"
	if dw.Mode == device.Skip && db.Mode == device.Skip {
		return
	}
	xd, dyd := b.get(op, "x", x), b.get(op, "dy", dy)
	ws := device.Weights(win.K, x.C, dy.C)
	checkConvT(op, x.Shape, ws, dy.Shape, win)
	want(op, fits(dw, ws) && fits(db, device.Vec(dy.C)), "dw %v, db %v, x %v, dy %v", dw.Shape, db.Shape, x.Shape, dy.Shape)
	apart(op, dw.Tensor, x, dy)
	apart(op, db.Tensor, x, dy)
	if dw.Mode != device.Skip {
		s := make([]float64, ws.Len())
		taps(win, x.Shape, dy.Shape, func(p, q, k int) {
			outer(row(s, k, x.C*dy.C), row(xd, p, x.C), row(dyd, q, dy.C))
		})
		b.put(op, "dw", dw, s)
	}
	b.put(op, "db", db, columnSums(dyd, dy.C))
}

// ReLUGrad implements device.Conv.
func (b *Backend[F]) ReLUGrad(dx device.Into, dy, y device.Tensor) {
	const op = "ReLUGrad"
	if dx.Mode == device.Skip {
		return
	}
	dyd, yd := b.get(op, "dy", dy), b.get(op, "y", y)
	want(op, dy.Shape == y.Shape && dx.Shape == y.Shape, "dx %v, dy %v, y %v", dx.Shape, dy.Shape, y.Shape)
	mayAlias(op, dx, dy, y)
	s := make([]float64, len(dyd))
	for i := range s {
		if yd[i] > 0 {
			s[i] = float64(dyd[i])
		}
	}
	b.put(op, "dx", dx, s)
}
