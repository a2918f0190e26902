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
		d, g, y := dxd[lo:hi], dyd[lo:hi], yd[lo:hi]
		if dx.Mode == device.Add {
			for i, v := range y {
				if v > 0 {
					d[i] += g[i]
				}
			}
			return
		}
		for i, v := range y {
			r := g[i]
			if !(v > 0) {
				r = 0
			}
			d[i] = r
		}
	})
}

// add: d[i] += s[i]
func add(d, s []float32) {
	for i, v := range s {
		d[i] += v
	}
}
