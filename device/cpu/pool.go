package cpu

import (
	"voxgrad/device"
	"voxgrad/internal/par"
)

// eight returns the offsets, from the first, of the eight voxels under a pooled one.
func eight(x device.Shape) [8]int {
	var o [8]int
	for t := range o {
		o[t] = ((t>>2*x.H+t>>1&1)*x.W + t&1) * x.C
	}
	return o
}

// lines runs f for every line along W of a tensor of shape s.
func lines(s device.Shape, f func(n, d, h int)) {
	per := max(1, span/(s.W*s.C))
	par.Chunks(s.N*s.D*s.H, per, func(lo, hi int) {
		for ; lo < hi; lo++ {
			f(lo/(s.D*s.H), lo/s.H%s.D, lo%s.H)
		}
	})
}

// MaxPool takes the maximum of eight; NaN where one of them is NaN.
func (b *engine) MaxPool(y, x device.Tensor) {
	yd, xd := data(y), data(x)
	at, c := eight(x.Shape), x.C
	lines(y.Shape, func(n, d, h int) {
		to := yd[((n*y.D+d)*y.H+h)*y.W*c:][:y.W*c]
		from := xd[((n*x.D+2*d)*x.H+2*h)*x.W*c:]
		cv := b.vectors(c, vector)
		if cv > 0 {
			maxPoolAVX2(&to[0], &from[0], x.H*x.W*c, x.W*c, y.W, cv, c)
		}
		for w := 0; cv < c && w < y.W; w++ {
			for i := w*c + cv; i < w*c+c; i++ {
				m := from[i+w*c]
				for _, o := range at[1:] {
					m = max(m, from[i+w*c+o])
				}
				to[i] = m
			}
		}
	})
}

// MaxPoolGrad looks for the first of the eight that equals y.
func (b *engine) MaxPoolGrad(dx device.Into, dy, x, y device.Tensor) {
	dxd, dyd := data(dx.Tensor), data(dy)
	xd, yd := data(x), data(y)
	at, c := eight(x.Shape), x.C
	add := dx.Mode == device.Add
	if !add {
		clearOdd(dxd, x.Shape)
	}
	lines(y.Shape, func(n, d, h int) {
		line := ((n*y.D+d)*y.H + h) * y.W * c
		base := ((n*x.D+2*d)*x.H + 2*h) * x.W * c
		cv := b.vectors(c, vector)
		if cv > 0 {
			maxPoolGradAVX2(&dxd[base], &dyd[line], &xd[base], &yd[line], x.H*x.W*c, x.W*c, y.W, cv, c, keep(add))
		}
		for w := 0; cv < c && w < y.W; w++ {
			for i := w*c + cv; i < w*c+c; i++ {
				found := false
				for _, o := range at {
					k := base + w*c + i + o
					g := float32(0)
					if !found && xd[k] == yd[line+i] {
						g, found = dyd[line+i], true
					}
					if add {
						g += dxd[k]
					}
					dxd[k] = g
				}
			}
		}
	})
}

// clearOdd sets the planes that pooling drops to zero.
func clearOdd(dx []float32, s device.Shape) {
	if s.D%2+s.H%2+s.W%2 == 0 {
		return
	}
	lines(s, func(n, d, h int) {
		line := dx[((n*s.D+d)*s.H+h)*s.W*s.C:][:s.W*s.C]
		if d >= s.D/2*2 || h >= s.H/2*2 {
			clear(line)
		} else {
			clear(line[s.W/2*2*s.C:])
		}
	})
}
