package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/par"
)

// A transposed 2³ convolution with stride 2 sends coarse voxel x to fine voxels 2x + k, and a 3³ one
// takes fine voxel v from v + t, t from −1 to 1. Together, coarse x reaches v = 2x + k − t: device.CompositeWindow, whose
// weights at q = k − t + 1 are sums of matrix products, Cx×C by C×Cout. What lies outside for one lies outside for the
// other, so borders need nothing of their own.

// position4 is q for position k of the 2³ window and tap t of the 3³ one.
func position4(k, t int) int {
	q := 0
	for _, d := range [3][2]int{{k / 4, t / 9}, {k / 2 % 2, t / 3 % 3}, {k % 2, t % 3}} {
		q = 4*q + d[0] - d[1] + 2
	}
	return q
}

// gemm: y[r,o] = Σ_i x[r,i]·w[i,o], or adds that; x has h·w rows.
func (b *engine) gemm(y, x, weights []float32, h, w, in, out int, add bool) {
	rows := device.Shape{N: 1, D: 1, H: h, W: w}
	b.gatherTaps(&correlation{in: x, out: y, is: rows.WithC(in), os: rows.WithC(out), add: add}, weights, device.ConvParams{K: 1, Stride: 1}, false)
}

// composite is w4 of source i, Weights(4, Cx, Cout), for weights w [27][C][Cout].
func (c *catConv) composite(i int, w []float32) []float32 {
	cx, cu, o := c.in[i].X.C, c.channels(i), c.cout
	up := data(c.in[i].W)
	w4 := data(c.in[i].W4)
	if w4 == nil {
		w4 = c.floats(64 * cx * o)
	}
	clear(w4)
	part := c.floats(8 * cx * o)
	for t := range taps3 {
		c.b.gemm(part, up, w[t*cu*o:][:cu*o], 8, cx, cu, o, false)
		par.For(8, func(k int) {
			c.b.add(w4[position4(k, t)*cx*o:][:cx*o], part[k*cx*o:][:cx*o])
		})
	}
	return w4
}

// gather4 puts the composite gradients that meet tap t in the order of k: [8][Cx][Cout].
func gather4(to, p4 []float32, t, n int) {
	par.For(8, func(k int) { copy(to[k*n:][:n], p4[position4(k, t)*n:]) })
}

// tapSums4 is Σ over fine voxels of u[v+t]·dy[v], [27][C][Cout], from the same sums p4 of the coarse
// tensor. sums are the Σ dy of each tap, bias that of u.
func (c *catConv) tapSums4(i int, p4 []float32, sums []float64) []float32 {
	cx, cu, o := c.in[i].X.C, c.channels(i), c.cout
	up := data(c.in[i].W)
	bias := data(c.in[i].B)
	// u = Σ_i wUp[k,i,c]·x_i: a row for each c of all k and i.
	rows := c.floats(cu * 8 * cx)
	for ki := range 8 * cx {
		for k, v := range up[ki*cu:][:cu] {
			rows[k*8*cx+ki] = v
		}
	}
	part := c.floats(8 * cx * o)
	r := c.floats(taps3 * cu * o)
	for t := range taps3 {
		gather4(part, p4, t, cx*o)
		to := r[t*cu*o:][:cu*o]
		c.b.gemm(to, rows, part, 1, cu, 8*cx, o, false)
		par.For(len(bias), func(k int) {
			for j, s := range sums[t*o:][:o] {
				to[k*o+j] += float32(float64(bias[k]) * s)
			}
		})
	}
	return r
}

// gradTransposed finishes the gradients of source i, whose upsampled tensor takes the gradient
//
//	conv's + a[c] + m[c]·u[c]
//
// p4 are the sums of x and dy by position of the composite window, w the scaled weights.
func (c *catConv) gradTransposed(g device.SourceGrad, dy []float32, dyShape device.Shape, i int, w, p4 []float32, a, m []float64, dshift []float64) {
	b, s := c.b, c.in[i]
	cx, cu, o := s.X.C, c.channels(i), c.cout
	x, up := data(s.X), data(s.W)
	bias := data(s.B)
	at := func(k int) float64 {
		if bias == nil {
			return 0
		}
		return float64(bias[k])
	}
	constant := m == nil
	var x1 []float64
	if !constant {
		x1 = rowSums(len(x)/cx, cx, cx, func(acc []float64, lo, hi int) { b.sums(acc, x[lo*cx:hi*cx]) })
	}
	if dx := into(g.X); dx != nil {
		j := &correlation{in: dy, out: dx, is: dyShape, os: s.X.Shape, add: g.X.Mode == device.Add}
		w4 := data(s.W4) // as CatConv left them
		if w4 == nil {
			w4 = c.composite(i, w)
		}
		b.gatherTaps(j, w4, device.CompositeWindow, true)
		if !constant {
			// Σ_k wUp[k]·(a + m·(b + wUp[k]ᵀx)) = q·x + r
			scaled := c.floats(8 * cu * cx) // [k][C][Cx], m·wUp[k]ᵀ
			r := make([]float32, cx)
			for k := range 8 {
				for n := range cx {
					sum := 0.0
					for l, v := range up[(k*cx+n)*cu:][:cu] {
						scaled[(k*cu+l)*cx+n] = float32(m[l] * float64(v))
						sum += float64(v) * (a[l] + m[l]*at(l))
					}
					r[n] += float32(sum)
				}
			}
			// x·Σ_k scaledᵀ… as one product over (k, C): first wUp as [Cx][8·C].
			wide := c.floats(cx * 8 * cu)
			for k := range 8 {
				for n := range cx {
					copy(wide[(n*8+k)*cu:][:cu], up[(k*cx+n)*cu:])
				}
			}
			q := c.floats(cx * cx)
			b.gemm(q, wide, scaled, 1, cx, 8*cu, cx, false)
			b.gatherTaps(&correlation{in: x, out: dx, is: s.X.Shape, os: s.X.Shape, add: true}, q, device.ConvParams{K: 1, Stride: 1}, false)
			rows(len(dx)/cx, cx, func(lo, hi int) {
				for ; lo < hi; lo++ {
					b.add(dx[lo*cx:][:cx], r)
				}
			})
		}
	}
	if dw := into(g.W); dw != nil {
		sum := c.floats(8 * cx * cu)
		part, turned := c.floats(8*cx*o), c.floats(o*cu)
		for t := range taps3 {
			gather4(part, p4, t, cx*o)
			for l := range cu {
				for n, v := range w[(t*cu+l)*o:][:o] {
					turned[n*cu+l] = v
				}
			}
			b.gemm(sum, part, turned, 8, cx, o, cu, t > 0)
		}
		if !constant {
			// Σ_v x_i·(a + m·(b + Σ_j wUp[k,j]·x_j))
			x2 := c.floats(cx * cx)
			b.gradW(x2, device.Set, newOuterSum(x, x, s.X.Shape, s.X.Shape, device.ConvParams{K: 1, Stride: 1}), false, false)
			scaled := c.floats(8 * cx * cu)
			for n, v := range up {
				scaled[n] = float32(m[n%cu] * float64(v))
			}
			for k := range 8 {
				b.gemm(sum[k*cx*cu:][:cx*cu], x2, scaled[k*cx*cu:][:cx*cu], 1, cx, cx, cu, true)
			}
			for n := range sum {
				l := n % cu
				sum[n] += float32(x1[n/cu%cx] * (a[l] + m[l]*at(l)))
			}
		}
		for n, v := range sum {
			put(dw, n, v, g.W.Mode)
		}
	}
	if db := into(g.B); db != nil {
		coarse := float64(s.X.Rows())
		for l := range cu {
			v := c.scale[c.from[i]+l] * dshift[l]
			if !constant {
				all := 8 * coarse * at(l)
				for k := range 8 {
					for n := range cx {
						all += float64(up[(k*cx+n)*cu+l]) * x1[n]
					}
				}
				v += a[l]*8*coarse + m[l]*all
			}
			put(db, l, float32(v), g.B.Mode)
		}
	}
}
