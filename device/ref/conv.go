package ref

import "voxgrad/device"

// Conv implements device.Conv.
func (b loops[F]) Conv(y, x, w, bs device.Tensor, win device.ConvParams, act device.Act) {
	yd, xd, wd, bd := b.data(y), b.data(x), b.data(w), b.data(bs)
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
func (b loops[F]) ConvGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	dyd, wd := b.data(dy), b.data(w)
	s := make([]float64, dx.Len())
	taps(win, dy.Shape, dx.Shape, func(p, q, k int) {
		matvecT(row(s, q, dx.C), row(dyd, p, dy.C), row(wd, k, dx.C*dy.C))
	})
	b.put(dx, s)
}

// ConvGradW implements device.Conv.
func (b loops[F]) ConvGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	xd, dyd := b.data(x), b.data(dy)
	ws := device.Weights(win.K, x.C, dy.C)
	if dw.Mode != device.Skip {
		s := make([]float64, ws.Len())
		taps(win, dy.Shape, x.Shape, func(p, q, k int) {
			outer(row(s, k, x.C*dy.C), row(xd, q, x.C), row(dyd, p, dy.C))
		})
		b.put(dw, s)
	}
	b.put(db, columnSums(dyd, dy.C))
}

// ConvT implements device.Conv.
func (b loops[F]) ConvT(y, x, w, bs device.Tensor, win device.ConvParams) {
	yd, xd, wd, bd := b.data(y), b.data(x), b.data(w), b.data(bs)
	s := bias(y.Rows(), y.C, bd)
	taps(win, x.Shape, y.Shape, func(p, q, k int) {
		matvec(row(s, q, y.C), row(xd, p, x.C), row(wd, k, x.C*y.C))
	})
	for i, v := range s {
		yd[i] = F(v)
	}
}

// ConvTGradX implements device.Conv.
func (b loops[F]) ConvTGradX(dx device.Into, dy, w device.Tensor, win device.ConvParams) {
	dyd, wd := b.data(dy), b.data(w)
	s := make([]float64, dx.Len())
	taps(win, dx.Shape, dy.Shape, func(p, q, k int) {
		matvecT(row(s, p, dx.C), row(dyd, q, dy.C), row(wd, k, dx.C*dy.C))
	})
	b.put(dx, s)
}

// ConvTGradW implements device.Conv.
func (b loops[F]) ConvTGradW(dw, db device.Into, x, dy device.Tensor, win device.ConvParams) {
	xd, dyd := b.data(x), b.data(dy)
	ws := device.Weights(win.K, x.C, dy.C)
	if dw.Mode != device.Skip {
		s := make([]float64, ws.Len())
		taps(win, x.Shape, dy.Shape, func(p, q, k int) {
			outer(row(s, k, x.C*dy.C), row(xd, p, x.C), row(dyd, q, dy.C))
		})
		b.put(dw, s)
	}
	b.put(db, columnSums(dyd, dy.C))
}

// taps visits the index set of a convolution: p is the voxel (n,d,h,w) of the
// grid walked with the stride, k the kernel position, q the voxel
// (n, (d,h,w)·Stride + (kd,kh,kw) − Pad) of the other grid, where inside. The
// kernel position is outermost so that its weights stay in the cache.
func taps(win device.ConvParams, walked, other device.Shape, visit func(p, q, k int)) {
	for k := range win.K * win.K * win.K {
		kd, kh, kw := k/(win.K*win.K), k/win.K%win.K, k%win.K
		for n := range walked.N {
			for d := range walked.D {
				zd := d*win.Stride + kd - win.Pad
				if zd < 0 || zd >= other.D {
					continue
				}
				for h := range walked.H {
					zh := h*win.Stride + kh - win.Pad
					if zh < 0 || zh >= other.H {
						continue
					}
					for w := range walked.W {
						zw := w*win.Stride + kw - win.Pad
						if zw < 0 || zw >= other.W {
							continue
						}
						visit(((n*walked.D+d)*walked.H+h)*walked.W+w, ((n*other.D+zd)*other.H+zh)*other.W+zw, k)
					}
				}
			}
		}
	}
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
