package ref

import "voxgrad/device"

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
