package cpu

import "voxgrad/device"

// ReLUGrad passes dy where y is positive.
func (b *Backend) ReLUGrad(dx device.Into, dy, y device.Tensor) {
	if dx.Mode == device.Skip || b.failed() {
		return
	}
	const op = "ReLUGrad"
	dxd, dyd, yd := b.get(op, "dx", dx.Tensor), b.get(op, "dy", dy), b.get(op, "y", y)
	want(op, dy.Shape == y.Shape && dx.Shape == y.Shape, "dx %v, dy %v, y %v", dx.Shape, dy.Shape, y.Shape)
	apartInto(op, dx, dy, y)
	elements(len(dxd), func(lo, hi int) {
		b.reluGrad(dxd[lo:hi], dyd[lo:hi], yd[lo:hi], dx.Mode == device.Add)
	})
}

func (b *Backend) reluGrad(dx, dy, y []float32, add bool) {
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
func (b *Backend) add(d, s []float32) {
	n := b.vectors(len(s), vector)
	if n > 0 {
		addAVX2(&d[0], &s[0], n)
	}
	for i := n; i < len(s); i++ {
		d[i] += s[i]
	}
}
