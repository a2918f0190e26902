package ref

import "voxgrad/device"

// near returns the nearer and the farther of the two input positions that output
// position o of an axis with n inputs is interpolated from.
func near(o, n int) [2]int {
	i := o / 2
	if o%2 == 0 {
		return [2]int{i, max(i-1, 0)}
	}
	return [2]int{i, min(i+1, n-1)}
}

// trilinear visits every output voxel p of an upsampling of x with each of the
// eight input voxels q and its weight.
func trilinear(x device.Shape, visit func(p, q int, weight float64)) {
	weight := [2]float64{0.75, 0.25}
	p := 0
	for n := range x.N {
		for d := range 2 * x.D {
			for h := range 2 * x.H {
				for w := range 2 * x.W {
					for i, zd := range near(d, x.D) {
						for j, zh := range near(h, x.H) {
							for k, zw := range near(w, x.W) {
								visit(p, ((n*x.D+zd)*x.H+zh)*x.W+zw, weight[i]*weight[j]*weight[k])
							}
						}
					}
					p++
				}
			}
		}
	}
}

// Upsample implements device.Up.
func (b loops[F]) Upsample(y, x device.Tensor) {
	yd, xd := b.data(y), b.data(x)
	s := make([]float64, len(yd))
	trilinear(x.Shape, func(p, q int, weight float64) {
		to, from := row(s, p, x.C), row(xd, q, x.C)
		for c := range to {
			to[c] += weight * float64(from[c])
		}
	})
	for i, v := range s {
		yd[i] = F(v)
	}
}

// UpsampleGrad implements device.Up.
func (b loops[F]) UpsampleGrad(dx device.Into, dy device.Tensor) {
	dyd := b.data(dy)
	s := make([]float64, dx.Len())
	trilinear(dx.Shape, func(p, q int, weight float64) {
		to, from := row(s, q, dx.C), row(dyd, p, dx.C)
		for c := range to {
			to[c] += weight * float64(from[c])
		}
	})
	b.put(dx, s)
}
