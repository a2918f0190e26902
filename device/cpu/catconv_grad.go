package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/par"
)

// CatConvGrad. With the sums over voxels v whose tap t lies inside
//
//	r[t,c,o] = Σ z[v+t,c]·dy[v,o],   s[t,o] = Σ dy[v,o]
//
// everything about the parameters follows without another pass over a tensor:
//
//	dw = α·r + β·s,   dbeta = Σ w·s,   dgamma = invstd·(Σ w·r − mean·Σ w·s)
//
// and z takes α·(dy convolved back) + a + m·z, where a and m are what the statistics pass on:
//
//	m = −α·invstd·dgamma/M,   a = −α·dbeta/M − m·mean
func (b *engine) CatConvGrad(g device.CatConvGrads, dy device.Tensor, in []device.Source, n device.Normalization, w device.Tensor, fixed bool) {
	dyd := data(dy)
	c := b.newCatConv(in, n, w)
	defer c.done()
	o := c.cout

	sums := b.tapSums(dyd, dy.Shape)
	down := false // whether a gradient of a source is wanted
	for _, s := range g.In {
		down = down || s.X.Mode != device.Skip || s.W.Mode != device.Skip || s.B.Mode != device.Skip
	}
	needR := g.W.Mode != device.Skip || g.Gamma.Mode != device.Skip || !fixed && down

	dw, db := into(g.W), into(g.B)
	dg, dbe := into(g.Gamma), into(g.Beta)
	for k := range o {
		if db != nil {
			put(db, k, float32(sums[13*o+k]), g.B.Mode)
		}
	}
	for i, s := range in {
		kept := len(c.releases)
		cu := c.channels(i)
		sg := g.In[i]
		composite := s.Composite()
		var u, r, p4 []float32
		if !composite && s.Up != device.Trilinear {
			u = c.plain(i)
		}
		var tri *trilinearGrad
		wi := c.scaled(i)
		switch {
		case s.Up == device.Trilinear:
			tri = c.newTrilinearGrad(i, dyd, wi, sg.X, needR)
			tri.run()
			r = tri.r
		case composite && (needR || sg.W.Mode != device.Skip):
			p4 = c.floats(64 * s.X.C * o)
			b.gradW4(p4, data(s.X), dyd, s.X.Shape, dy.Shape)
			if needR {
				r = c.tapSums4(i, p4, sums)
			}
		case !composite && needR:
			r = c.floats(taps3 * cu * o)
			b.convGradW(r, device.Set, u, dyd, s.Out(), dy.Shape, conv3)
		}

		var a, m []float64
		dshift, dscale := c.affine(i, r, sums)
		if !fixed && down {
			rowsOf := float64(c.z.Rows())
			for l := range cu {
				k := c.from[i] + l
				dgamma := c.invstd[k] * (dscale[l] - c.mean[k]*dshift[l])
				ml := -c.scale[k] * c.invstd[k] * dgamma / rowsOf
				m = append(m, ml)
				a = append(a, -c.scale[k]*dshift[l]/rowsOf-ml*c.mean[k])
			}
		}
		for l := range cu {
			k := c.from[i] + l
			if dg != nil {
				put(dg, k, float32(c.invstd[k]*(dscale[l]-c.mean[k]*dshift[l])), g.Gamma.Mode)
			}
			if dbe != nil {
				put(dbe, k, float32(dshift[l]), g.Beta.Mode)
			}
		}
		if dw != nil {
			c.storeGradW(dw, g.W.Mode, i, r, sums)
		}
		switch {
		case tri != nil:
			tri.finish(a, m)
		case composite:
			c.gradTransposed(sg, dyd, dy.Shape, i, wi, p4, a, m, dshift)
		case s.Up == device.AsIs:
			c.gradPlain(into(sg.X), sg.X.Mode, dyd, dy.Shape, u, s.Out(), wi, a, m)
		case sg.X.Mode != device.Skip || sg.W.Mode != device.Skip || sg.B.Mode != device.Skip:
			du := c.floats(s.Out().Len())
			c.gradPlain(du, device.Set, dyd, dy.Shape, u, s.Out(), wi, a, m)
			x, up := data(s.X), data(s.W)
			if dx := into(sg.X); dx != nil {
				j := &correlation{in: du, out: dx, is: s.Out(), os: s.X.Shape, add: sg.X.Mode == device.Add}
				b.gatherTaps(j, up, device.ConvT2x2x2, true)
			}
			if dup := into(sg.W); dup != nil {
				b.gradW(dup, sg.W.Mode, newOuterSum(du, x, s.Out(), s.X.Shape, device.ConvT2x2x2), true, false)
			}
			b.channelSums(into(sg.B), sg.B.Mode, du, cu)
		}
		b.free(c.releases[kept:]...)
		c.releases = c.releases[:kept]
	}
}

// affine is Σ w·s and, where r is there, Σ w·r of each channel of source i.
func (c *catConv) affine(i int, r []float32, sums []float64) (dshift, dscale []float64) {
	n, o := c.channels(i), c.cout
	dshift, dscale = make([]float64, n), make([]float64, n)
	par.For(n, func(l int) {
		for t := range taps3 {
			w := c.w[(t*c.z.C+c.from[i]+l)*o:][:o]
			for k, s := range sums[t*o:][:o] {
				dshift[l] += float64(w[k]) * s
			}
			if r == nil {
				continue
			}
			for k, v := range r[(t*n+l)*o:][:o] {
				dscale[l] += float64(w[k]) * float64(v)
			}
		}
	})
	return dshift, dscale
}

func (c *catConv) storeGradW(dw []float32, mode device.Mode, i int, r []float32, sums []float64) {
	n, o := c.channels(i), c.cout
	par.For(taps3, func(t int) {
		for l := range n {
			at := c.from[i] + l
			scale, shift := c.scale[at], c.shift[at]
			to := dw[(t*c.z.C+at)*o:][:o]
			from := r[(t*n+l)*o:][:o]
			for k, s := range sums[t*o:][:o] {
				put(to, k, float32(scale*float64(from[k])+shift*s), mode)
			}
		}
	})
}

// gradPlain: dx is, or takes in addition, the convolution of dy back with w, and a + m·x.
func (c *catConv) gradPlain(dx []float32, mode device.Mode, dy []float32, dyShape device.Shape, x []float32, s device.Shape, w []float32, a, m []float64) {
	if dx == nil {
		return
	}
	b, n := c.b, s.C
	j := &correlation{in: dy, out: dx, is: dyShape, os: s, add: mode == device.Add || m != nil}
	if m != nil {
		shift, scale, offset := make([]float32, n), make([]float32, n), make([]float32, n)
		for l := range n {
			scale[l], offset[l] = float32(m[l]), float32(a[l])
		}
		rows(s.Rows(), n, func(lo, hi int) {
			if mode == device.Set {
				b.normApply(dx[lo*n:hi*n], x[lo*n:hi*n], shift, scale, offset)
				return
			}
			for k, v := range x[lo*n : hi*n] {
				dx[lo*n+k] += v*scale[k%n] + offset[k%n]
			}
		})
	}
	b.scatterTaps(j, w, conv3, true)
}

// tapSums is Σ dy over the voxels whose tap t lies inside, [27][C]: along each axis all voxels, all but
// the first or all but the last, put together from sums over corners, edges, faces and the whole.
func (b *engine) tapSums(dy []float32, s device.Shape) []float64 {
	c := s.C
	n := s.Grid()
	// Along an axis: 0 all voxels, 1 the first, 2 the last.
	regions := make([][]float64, taps3)
	whole := rowSums(s.Rows(), c, c, func(acc []float64, lo, hi int) {
		b.sums(acc, dy[lo*c:hi*c])
	})
	regions[0] = whole
	par.For(taps3-1, func(i int) {
		code := [3]int{(i + 1) / 9, (i + 1) / 3 % 3, (i + 1) % 3}
		var lo, hi [3]int
		for a := range 3 {
			lo[a], hi[a] = 0, n[a]
			switch code[a] {
			case 1:
				hi[a] = 1
			case 2:
				lo[a] = n[a] - 1
			}
		}
		sum := make([]float64, c)
		for m := range s.N {
			for d := lo[0]; d < hi[0]; d++ {
				for h := lo[1]; h < hi[1]; h++ {
					for w := lo[2]; w < hi[2]; w++ {
						for k, v := range dy[(((m*s.D+d)*s.H+h)*s.W+w)*c:][:c] {
							sum[k] += float64(v)
						}
					}
				}
			}
		}
		regions[i+1] = sum
	})
	out := make([]float64, taps3*c)
	for t := range taps3 {
		to := out[t*c:][:c]
		// All minus what the tap leaves out, along each axis.
		for bits := range 8 {
			at, sign, skip := 0, 1.0, false
			for a, k := range [3]int{t / 9, t / 3 % 3, t % 3} {
				code := 0
				if bits>>a&1 != 0 {
					sign = -sign
					switch k {
					case 0:
						code = 1
					case 2:
						code = 2
					default:
						skip = true
					}
				}
				at = 3*at + code
			}
			if skip {
				continue
			}
			for k, v := range regions[at] {
				to[k] += sign * v
			}
		}
	}
	return out
}
