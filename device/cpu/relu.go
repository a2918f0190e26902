package cpu

import "voxgrad/device"

// ReLUGrad passes dy where y is positive.
func (b *engine) ReLUGrad(dx device.Into, dy, y device.Tensor) {
	dxd, dyd, yd := data(dx.Tensor), data(dy), data(y)
	elements(len(dxd), func(lo, hi int) {
		b.reluGrad(dxd[lo:hi], dyd[lo:hi], yd[lo:hi], dx.Mode == device.Add)
	})
}

func (b *engine) reluGrad(dx, dy, y []float32, add bool) {
	n := b.vectors(len(y), vector)
	if n > 0 {
		reluGradAVX2(&dx[0], &dy[0], &y[0], n, keep(add))
	}
	for i := n; i < len(y); i++ {
		g := float32(0)
		if y[i] > 0 {
			g = dy[i]
		}
		if add {
			g += dx[i]
		}
		dx[i] = g
	}
}

// add: d[i] += s[i]
func (b *engine) add(d, s []float32) {
	n := b.vectors(len(s), vector)
	if n > 0 {
		addAVX2(&d[0], &s[0], n)
	}
	for i := n; i < len(s); i++ {
		d[i] += s[i]
	}
}

// sub: d[i] -= s[i]
func (b *engine) sub(d, s []float32) {
	n := b.vectors(len(s), vector)
	if n > 0 {
		subAVX2(&d[0], &s[0], n)
	}
	for i := n; i < len(s); i++ {
		d[i] -= s[i]
	}
}
