package ref

import "voxgrad/device"

// taps visits the index set of a convolution: p is the voxel (n,d,h,w) of the
// grid walked with the stride, k the kernel position, q the voxel
// (n, (d,h,w)·Stride + (kd,kh,kw) − Pad) of the other grid, where inside.
func taps(win device.Window, walked, other device.Shape, visit func(p, q, k int)) {
	p := 0
	for n := range walked.N {
		for d := range walked.D {
			for h := range walked.H {
				for w := range walked.W {
					for kd := range win.K {
						zd := d*win.Stride + kd - win.Pad
						if zd < 0 || zd >= other.D {
							continue
						}
						for kh := range win.K {
							zh := h*win.Stride + kh - win.Pad
							if zh < 0 || zh >= other.H {
								continue
							}
							for kw := range win.K {
								zw := w*win.Stride + kw - win.Pad
								if zw < 0 || zw >= other.W {
									continue
								}
								visit(p, ((n*other.D+zd)*other.H+zh)*other.W+zw, (kd*win.K+kh)*win.K+kw)
							}
						}
					}
					p++
				}
			}
		}
	}
}

func checkWindow(op string, win device.Window) {
	want(op, win.K > 0 && win.Stride > 0 && win.Pad >= 0, "no such window: %+v", win)
}

// checkConv holds what x, w and y of a convolution must satisfy; b's shape is
// that of a vector with w.C elements.
func checkConv(op string, x, w, y device.Shape, win device.Window) {
	checkWindow(op, win)
	want(op, w == device.Weights(win.K, x.C, w.C) && y == win.Out(x, w.C), "x %v, w %v, y %v, window %+v", x, w, y, win)
}

func checkConvT(op string, x, w, y device.Shape, win device.Window) {
	checkWindow(op, win)
	want(op, w == device.Weights(win.K, x.C, w.C) && y == win.OutT(x, w.C), "x %v, w %v, y %v, window %+v", x, w, y, win)
}

// matvec: out[o] += Σ_i x[i]·w[i,o]
func matvec[F ~float32 | ~float64](out []float64, x, w []F) {
	for i, v := range x {
		v := float64(v)
		row := w[i*len(out):][:len(out)]
		for o := range out {
			out[o] += v * float64(row[o])
		}
	}
}

// matvecT: out[i] += Σ_o y[o]·w[i,o]
func matvecT[F ~float32 | ~float64](out []float64, y, w []F) {
	for i := range out {
		row := w[i*len(y):][:len(y)]
		s := 0.0
		for o, v := range y {
			s += float64(v) * float64(row[o])
		}
		out[i] += s
	}
}

// outer: out[i,o] += x[i]·y[o]
func outer[F ~float32 | ~float64](out []float64, x, y []F) {
	for i, v := range x {
		v := float64(v)
		row := out[i*len(y):][:len(y)]
		for o, u := range y {
			row[o] += v * float64(u)
		}
	}
}

// row is row p of a matrix with c columns.
func row[T any](x []T, p, c int) []T { return x[p*c : (p+1)*c] }

// bias is rows times b, or zeros where b is absent.
func bias[F ~float32 | ~float64](rows, c int, b []F) []float64 {
	s := make([]float64, rows*c)
	if b != nil {
		for i := range s {
			s[i] = float64(b[i%c])
		}
	}
	return s
}

// columnSums: s[c] = Σ over rows of x[r,c]
func columnSums[F ~float32 | ~float64](x []F, c int) []float64 {
	s := make([]float64, c)
	for i, v := range x {
		s[i%c] += float64(v)
	}
	return s
}

// Conv implements device.Conv.
func (b *Backend[F]) Conv(y, x, w, bs device.Tensor, win device.Window, act device.Act) {
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
func (b *Backend[F]) ConvGradX(dx device.Into, dy, w device.Tensor, win device.Window) {
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
func (b *Backend[F]) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.Window) {
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
func (b *Backend[F]) ConvT(y, x, w, bs device.Tensor, win device.Window) {
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
func (b *Backend[F]) ConvTGradX(dx device.Into, dy, w device.Tensor, win device.Window) {
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
func (b *Backend[F]) ConvTGradW(dw, db device.Into, x, dy device.Tensor, win device.Window) {
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
